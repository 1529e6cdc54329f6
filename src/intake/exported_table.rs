//! A table for people that the service exported and reads again: a hidden row names its columns,
//! hidden columns have the codes (`docs/workbooks.md#exported-tables`).

use documents::table::GridCell;
use documents::workbook::{WorkbookSheet, fault_at};
use kpi::fault::{Fault, quoted};

/// Text of the hidden first cell of an exported table; the version of the layout is at its end.
pub const EXPORTED: &str = "egov-kpi-table/1";
/// Text of the first cell of the row with the headings. The figures follow it.
pub const DATA: &str = "data";
/// Text of the first cell of the line below a table that continues on another page.
pub const NEXT: &str = "next";
/// Begins the name of a column that shows the name of a code and is not read.
pub const NAME: &str = "=";

/// The key of a row: the texts that name it, as it was exported.
#[must_use]
pub fn key_of<'t>(names: impl Iterator<Item = &'t str>) -> String {
    let spaced = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ");
    names.map(spaced).collect::<Vec<_>>().join(" | ").trim().to_owned()
}

/// Where the parts of an exported table are.
pub(super) struct ExportedLayout {
    /// The columns that are read, each with the name of its field.
    pub(super) fields: Vec<(usize, String)>,
    /// The columns that show names.
    names: Vec<usize>,
    heading_row: usize,
}

impl ExportedLayout {
    /// Finds the parts; `None` for any other sheet.
    pub(super) fn find(sheet: &WorkbookSheet) -> Option<Self> {
        let rows = &sheet.grid.rows;
        let first = rows.first().filter(|row| text(row, 0) == EXPORTED)?;
        let heading_row = rows.iter().position(|row| text(row, 0) == DATA)?;
        let named = (1..first.len()).map(|column| (column, text(first, column)));
        let named: Vec<(usize, &str)> = named.filter(|(_, name)| !name.is_empty()).collect();
        let (names, fields): (Vec<_>, Vec<_>) =
            named.into_iter().partition(|(_, name)| name.starts_with(NAME));
        Some(Self {
            fields: fields.into_iter().map(|(column, name)| (column, name.to_owned())).collect(),
            names: names.into_iter().map(|(column, _)| column).collect(),
            heading_row,
        })
    }

    /// Whether a hidden cell is one that the service hides.
    pub(super) fn hides(&self, row: usize, column: usize) -> bool {
        let is_field = || self.fields.iter().any(|(field, _)| *field == column);
        row == 0 || column == 0 || is_field()
    }

    /// The cells of a row that are read, in the order of the fields; none above the figures and of
    /// an empty row.
    ///
    /// # Errors
    /// The names that the row shows are not those of its codes.
    pub(super) fn cells<'s>(
        &self,
        sheet: &'s WorkbookSheet,
        row: usize,
    ) -> Result<Vec<Option<&'s GridCell>>, Fault> {
        let cells = sheet.grid.rows.get(row).map_or(&[][..], Vec::as_slice);
        let is_figures = row > self.heading_row && text(cells, 0) != NEXT;
        if !is_figures || cells.iter().all(GridCell::is_empty) {
            return Ok(Vec::new());
        }
        let (key, shown) = (text(cells, 0), key_of(self.names.iter().map(|of| text(cells, *of))));
        if key != shown {
            let detail = format!(
                "the row says {}, but its hidden codes are those of {}; were rows sorted, moved or \
                 added without the hidden columns? Change only figures, or export the table again",
                quoted(&shown),
                quoted(key)
            );
            let vi = format!(
                "dòng này ghi {}, nhưng mã ẩn của dòng là của {}; có thể các dòng đã bị sắp xếp, \
                 di chuyển hoặc thêm mà không kèm các cột ẩn; chỉ sửa số liệu, hoặc xuất lại bảng",
                quoted(&shown),
                quoted(key)
            );
            let column = self.names.first().copied().unwrap_or(0);
            return Err(fault_at(&sheet.name, row, column, "contradicts_code", detail).with_vi(vi));
        }
        Ok(self.fields.iter().map(|(column, _)| cells.get(*column)).collect())
    }
}

fn text(cells: &[GridCell], column: usize) -> &str {
    cells.get(column).map_or("", |cell| cell.text.trim())
}
