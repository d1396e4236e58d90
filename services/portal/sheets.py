"""Tables that people take away as XLSX."""

import io
from collections.abc import Iterable, Sequence

from fastapi.responses import Response
from openpyxl import Workbook
from openpyxl.utils import get_column_letter

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def sheet(name: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """A file `linli-<name>.xlsx`. Texts stay texts: none is taken for a formula, no ID number for a figure."""
    book = Workbook()
    table = book.active
    assert table is not None
    table.title = name[:31]
    widths = [len(head) for head in heads]
    for number, row in enumerate((heads, *rows), start=1):
        table.append(list(row))
        for column, value in enumerate(row, start=1):
            if isinstance(value, str):
                cell = table.cell(number, column)
                cell.data_type, cell.number_format = "s", "@"
                widths[column - 1] = max(widths[column - 1], len(value))
    for column, width in enumerate(widths, start=1):
        table.column_dimensions[get_column_letter(column)].width = min(60, 4 + 1.6 * width)
    out = io.BytesIO()
    book.save(out)
    headers = {
        "Content-Disposition": f'attachment; filename="linli-{name}.xlsx"',
        "Cache-Control": "no-store",
    }
    return Response(out.getvalue(), media_type=XLSX, headers=headers)
