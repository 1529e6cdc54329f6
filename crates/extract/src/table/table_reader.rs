//! Reading of a grid: finds the header, the meaning of columns and rows, and the figures.

use std::collections::HashMap;

use super::column::{TableColumn, keep_one_value_column};
use super::label_reader::LabelReader;
use super::mapping::{
    CellFigure, LabelMeaning, LabelUse, TableDefaults, TableMapping, UnclaimedCell,
};
use super::row_reader::RowReader;
use super::shape::GridShape;
use super::unclaimed::unclaimed_text;
use super::unit_names::UnitNames;
use crate::label::LabelIndex;
use documents::table::Grid;
use kpi::catalogue::Catalogue;
use kpi::unit::UnitForest;

/// Reads tables for a catalogue and units.
#[derive(Debug)]
pub struct TableReader<'a> {
    reader: LabelReader<'a>,
}

impl<'a> TableReader<'a> {
    /// Indexes labels and names once for all tables.
    #[must_use]
    pub fn new(catalogue: &'a Catalogue, units: &'a UnitForest) -> Self {
        Self { reader: LabelReader::new(catalogue, units) }
    }

    /// The units.
    #[must_use]
    pub fn units(&self) -> &'a UnitForest {
        self.reader.units
    }

    /// The labels of the catalogue.
    #[must_use]
    pub fn labels(&self) -> &LabelIndex<'a> {
        &self.reader.labels
    }

    /// The names of the units.
    #[must_use]
    pub fn places(&self) -> &UnitNames<'a> {
        &self.reader.places
    }

    /// Reads a table.
    #[must_use]
    pub fn read(&self, grid: &Grid, defaults: &TableDefaults) -> TableMapping {
        let shape = GridShape::new(grid);
        let Some(parts) = shape.parts() else { return TableMapping::default() };
        if shape.is_ragged(&parts) {
            let unclaimed = shape.digits(
                parts.body.clone(),
                "the rows have different numbers of cells, so the columns are uncertain",
            );
            return TableMapping { header: parts.header, unclaimed, ..TableMapping::default() };
        }
        let title = self.reader.title(&shape, &parts.title, defaults);
        let mut columns: Vec<TableColumn> = (0..shape.width())
            .map(|column| self.reader.column(&shape, &parts, column, &title))
            .collect();
        keep_one_value_column(&mut columns);
        let mut mapping = TableMapping { header: parts.header.clone(), ..TableMapping::default() };
        mapping.columns = columns
            .iter()
            .enumerate()
            .map(|(place, column)| LabelUse {
                place,
                text: shape.header_texts(&parts, place).join(" / "),
                meaning: self.reader.column_meaning(column),
            })
            .collect();
        let inside = |(row, column): (usize, usize)| {
            unclaimed_text(
                shape.cell(row, column),
                row,
                column,
                "a number within a text above the table",
            )
        };
        mapping.unclaimed.extend(
            parts
                .title
                .clone()
                .flat_map(|row| (0..shape.width()).map(move |column| (row, column)))
                .filter_map(inside),
        );
        RowReader::new(&self.reader, &shape, &columns, &title).read(parts.body, &mut mapping);
        self.refuse_other_systems(&mut mapping);
        mapping.unclaimed.sort_by_key(|cell| (cell.row, cell.column));
        mapping
    }

    /// Rejects figures in rows that name another system, whatever the column is called.
    fn refuse_other_systems(&self, mapping: &mut TableMapping) {
        let named: HashMap<usize, Vec<String>> = mapping
            .rows
            .iter()
            // "Thanh tra tỉnh" is a unit and not a system.
            .filter(|row| !matches!(row.meaning, LabelMeaning::Figures { unit: Some(_), .. }))
            .map(|row| (row.place, self.reader.labels.systems(&row.text)))
            .collect();
        let document = &self.reader.catalogue.document;
        let system = |code: &str| {
            let of_indicator = document
                .indicators
                .iter()
                .find(|indicator| indicator.code == code)
                .map(|indicator| &indicator.system);
            of_indicator
                .or_else(|| {
                    document.kpis.iter().find(|kpi| kpi.code == code).map(|kpi| &kpi.system)
                })
                .cloned()
                .flatten()
        };
        let other = |figure: &CellFigure| {
            let systems = named.get(&figure.row).filter(|systems| !systems.is_empty());
            systems
                .zip(system(&figure.measure.code))
                .is_some_and(|(systems, own)| !systems.contains(&own))
        };
        let (refused, kept): (Vec<CellFigure>, Vec<CellFigure>) =
            std::mem::take(&mut mapping.figures).into_iter().partition(other);
        mapping.figures = kept;
        mapping.unclaimed.extend(refused.into_iter().map(|figure| {
            let reason = format!("the row names another system than that of {}", figure.measure);
            UnclaimedCell {
                row: figure.row,
                column: figure.column,
                printed: figure.printed,
                reason,
            }
        }));
    }
}
