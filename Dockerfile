# One image a service: docker build --build-arg SERVICE=matcher -t linli/matcher .
# Without SERVICE it holds everything: `setup`, `sample` and `events` are run from that one.
# Behind a mirror: --build-arg PIP_INDEX_URL=… --build-arg NPM_CONFIG_REGISTRY=…
ARG LINLI_PYTHON_IMAGE=python:3.11-slim

# Packages by hash: a layer that all services share, and the solver's, which is four fifths of the weight.
FROM ${LINLI_PYTHON_IMAGE} AS packages
ARG PIP_INDEX_URL
WORKDIR /build
COPY requirements/run.lock requirements/
COPY tools/image_lock.py tools/
ENV PIP="python3 -m pip install --no-compile --no-cache-dir --no-deps --only-binary=:all: --require-hashes"
RUN python3 tools/image_lock.py common > common.lock && $PIP --target /packages -r common.lock \
 && rm -rf /packages/bin && find /packages -depth -type d -name tests -exec rm -r {} + \
 && find /packages/babel/locale-data -type f ! -name 'en*' ! -name 'zh*' ! -name root.dat -delete \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /packages

FROM packages AS solver
ARG SERVICE=all
RUN mkdir /solver \
 && case "$SERVICE" in matcher|all) \
      python3 tools/image_lock.py solver > solver.lock && $PIP --target /solver -r solver.lock \
      && rm -rf /solver/bin && find /solver -depth -type d -name tests ! -path '*/numpy/*' -exec rm -r {} + \
      && python3 -m compileall -q --invalidation-mode unchecked-hash /solver;; \
    esac

# The portal's styles, scripts, icons and fonts; Node is a package for the time of the build.
FROM ${LINLI_PYTHON_IMAGE} AS assets
ARG PIP_INDEX_URL
ARG NPM_CONFIG_REGISTRY
ARG SERVICE=all
WORKDIR /build
COPY requirements/node.lock requirements/
COPY tools/environment.py tools/assets.py tools/
COPY services/portal/assets services/portal/assets
RUN mkdir -p services/portal/static/assets \
 && case "$SERVICE" in portal|all) \
      python3 -m venv .venv && PYTHONPATH=tools python3 -c 'import assets; assets.ensure_portal_assets()';; \
    esac

# The code: of other services nothing. Times are whole seconds, as a layer keeps them: compiled searches go by them.
FROM ${LINLI_PYTHON_IMAGE} AS code
ARG SERVICE=all
WORKDIR /app
COPY shared shared
COPY services services
COPY --from=assets /build/services/portal/static/assets services/portal/static/assets
RUN rm -rf services/portal/assets \
 && case "$SERVICE" in \
      all) ;; \
      *) test -f "services/$SERVICE/app.py" \
         && find services -mindepth 1 -maxdepth 1 -type d ! -name "$SERVICE" -exec rm -r {} +;; \
    esac \
 && mkdir -p /secrets/setup && for app in services/*/app.py; do mkdir "/secrets/$(basename "$(dirname "$app")")"; done \
 && python3 -m compileall -q --invalidation-mode unchecked-hash . \
 && find . -exec touch -d @1767225600 {} +

# What every image begins with: a base without installers, an unprivileged user, the common packages.
FROM ${LINLI_PYTHON_IMAGE} AS base
RUN find / -xdev \( -path '*/ensurepip' -o -path '*-packages/pip*' -o -path '*-packages/setuptools*' \
      -o -path '*-packages/wheel*' -o -path '*-packages/pkg_resources' -o -name distutils-precedence.pth -o -path '*-packages/_distutils_hack' \
      -o -path '*/bin/pip*' -o -path '*/share/python-wheels' \) -prune -exec rm -rf {} + \
 && groupadd --gid 10001 linli && useradd --uid 10001 --gid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin linli
ENV PYTHONPATH=/opt/packages PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUTF8=1 HOME=/tmp
WORKDIR /app
COPY --from=packages /packages /opt/packages

FROM base AS whole
COPY --from=solver /solver /opt/packages
COPY --from=code /app /app
# Compiled for every x86-64 of the last ten years, so that a plan need not wait for it wherever the image runs.
ARG SERVICE=all
ENV NUMBA_CPU_NAME=x86-64-v3 NUMBA_CPU_FEATURES= NUMBA_CACHE_DIR=/opt/compiled
RUN mkdir /opt/compiled \
 && if [ "$SERVICE" = matcher ]; then python3 -m services.matcher.solver.worker --compile; fi

FROM whole
ARG SERVICE=all
LABEL org.opencontainers.image.title="linli/${SERVICE}" \
      org.opencontainers.image.description="Linli (邻里), care of a city's older residents: ${SERVICE}" \
      org.opencontainers.image.vendor="Linli"
COPY --from=code --chown=10001:10001 /secrets /secrets
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["python3", "-IS", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["python3", "-m", "services"]
CMD ["--help"]
