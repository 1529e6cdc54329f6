//! Excel files as grids of cells, and what is done to them: the form of the service, a free table,
//! and a sheet with the columns of observations.

use std::collections::BTreeSet;

use documents::workbook::open;
use egov_kpi::app::RevisionNumber;
use egov_kpi::app::templates::{FormGroup, FormRow, ReportingForm};
use egov_kpi::intake::workbook::{WorkbookReading, figures, form, observation_sheet};
use egov_kpi::render::form::write_form;
use extract::table::{TableDefaults, TableReader};
use kpi::measure::Measure;
use kpi::number::Decimal64;
use kpi::observation::FoundObservation;
use rust_xlsxwriter::{Format, Formula, Workbook};

use super::csv_text::CellTable;
use super::package;
use super::rewriting::rewritten;
use super::written::canonical;
use super::{GoodFigure, Mutant, Outcome, Sayings, World, month_in_words, sayings};
use crate::case::Dice;

/// The content of a cell.
#[derive(Clone, PartialEq, Debug)]
pub enum SheetContent {
    Blank,
    Text(String),
    Number(String),
    /// A number that is shown in a number format.
    Formatted(String, &'static str),
    /// A formula with its result.
    Computed(String),
}

/// A sheet before it is written.
#[derive(Clone)]
struct Page {
    rows: Vec<Vec<SheetContent>>,
    hidden_columns: BTreeSet<usize>,
    hidden_rows: BTreeSet<usize>,
    form: bool,
    /// The place of each figure's cell.
    places: Vec<(usize, usize)>,
    /// The first row of the body.
    body: usize,
}

impl Page {
    fn written(&self) -> Vec<u8> {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        sheet.set_name(if self.form { form::FORM_SHEET } else { "Bảng" }).unwrap();
        for (row, cells) in (0..).zip(&self.rows) {
            for (column, cell) in (0..).zip(cells) {
                match cell {
                    SheetContent::Blank => continue,
                    SheetContent::Text(text) => sheet.write_string(row, column, text).unwrap(),
                    SheetContent::Number(digits) => {
                        sheet.write_number(row, column, digits.parse::<f64>().unwrap()).unwrap()
                    }
                    SheetContent::Formatted(digits, format) => {
                        let format = Format::new().set_num_format(*format);
                        let number = digits.parse::<f64>().unwrap();
                        sheet.write_number_with_format(row, column, number, &format).unwrap()
                    }
                    SheetContent::Computed(digits) => {
                        let formula = Formula::new(format!("{digits}+0")).set_result(digits);
                        sheet.write_formula(row, column, formula).unwrap()
                    }
                };
            }
        }
        for column in &self.hidden_columns {
            sheet.set_column_hidden(u16::try_from(*column).unwrap()).unwrap();
        }
        for row in &self.hidden_rows {
            sheet.set_row_hidden(u32::try_from(*row).unwrap()).unwrap();
        }
        book.save_to_buffer().unwrap()
    }

    fn width(&self) -> usize {
        self.rows.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The rows, each with all cells.
    fn even(&mut self) {
        let width = self.width();
        for cells in &mut self.rows {
            cells.resize(width, SheetContent::Blank);
        }
    }
}

/// The readers of Excel files, and the measures that free tables can name.
pub struct Books<'w> {
    world: &'w World,
    tables: TableReader<'w>,
    labelled: Vec<(Measure, String)>,
}

impl<'w> Books<'w> {
    pub fn new(world: &'w World) -> Self {
        let tables = TableReader::new(&world.catalogue, &world.units);
        let mut books = Self { world, tables, labelled: Vec::new() };
        let mut named: Vec<Measure> = Vec::new();
        for (measure, _) in &world.named {
            if !named.contains(measure) {
                named.push(measure.clone());
            }
        }
        for measure in named {
            let digits = "12".to_owned();
            let (unit, month) = ("travinh".to_owned(), "2021-10".to_owned());
            let figure = GoodFigure { measure: measure.clone(), unit, month, digits };
            let label = world.catalogue.label(&measure).vi;
            let page = free_table(std::slice::from_ref(&figure), std::slice::from_ref(&label));
            if books.read(&page.written()).recorded.contains_key(&figure.key()) {
                books.labelled.push((measure, label));
            }
        }
        assert!(books.labelled.len() > 20, "{} measures have labels", books.labelled.len());
        books
    }

    /// Reads an Excel file as the service does.
    pub fn read(&self, bytes: &[u8]) -> Outcome {
        let world = self.world;
        let refused = |why: String| Outcome { refused: Some(why), ..Outcome::default() };
        let defaults =
            TableDefaults { unit: world.units.position("travinh"), ..TableDefaults::default() };
        let reading = match observation_sheet::read(bytes, &world.catalogue, world.parser()) {
            Some(Ok(reading)) => reading,
            Some(Err(faults)) => return refused(format!("{faults:?}")),
            None => match figures(bytes, &self.tables, &world.catalogue, &defaults) {
                Ok(reading) => reading,
                Err(fault) => return refused(format!("{fault:?}")),
            },
        };
        if !reading.faults.is_empty() {
            return refused(format!("{:?}", reading.faults));
        }
        let listed = reading.unclaimed.len();
        if reading.figures.is_empty() {
            return Outcome { listed, ..Outcome::default() };
        }
        let mut parser = world.parser();
        parser.push_found(&self.found(&reading));
        Outcome { listed, ..world.outcome(parser) }
    }

    fn found(&self, reading: &WorkbookReading) -> Vec<FoundObservation> {
        let one = |figure: &egov_kpi::intake::workbook::SheetFigure| FoundObservation {
            measure: figure.measure.clone(),
            unit: self.world.units.code(figure.unit).to_owned(),
            month: figure.month,
            value: figure.written,
            place: format!("{}!{}", figure.sheet, figure.cell),
        };
        reading.figures.iter().map(one).collect()
    }

    /// Figures of one unit and month, of measures with labels.
    fn labelled(&self, count: usize, dice: &mut Dice) -> (Vec<GoodFigure>, Vec<String>) {
        let month = format!("2021-{:02}", 1 + dice.below(10));
        let (mut found, mut labels): (Vec<GoodFigure>, Vec<String>) = (Vec::new(), Vec::new());
        while found.len() < count {
            let (measure, label) = self.labelled[dice.below(self.labelled.len())].clone();
            let digits = self.world.digits(&measure.code, dice);
            let (unit, month) = ("travinh".to_owned(), month.clone());
            if found.iter().all(|other| other.measure != measure) {
                found.push(GoodFigure { measure, unit, month, digits });
                labels.push(label);
            }
        }
        (found, labels)
    }

    /// A mutated Excel file, and what it said before.
    pub fn mutant(&self, dice: &mut Dice) -> (Sayings, Mutant) {
        let count = 2 + dice.below(4);
        let (figures, mut page) = match dice.below(5) {
            0 => {
                let figures = self.world.figures(count, dice);
                let page = observations(&figures, dice);
                (figures, page)
            }
            1 | 2 => {
                let (figures, labels) = self.labelled(count, dice);
                let page = self.form(&figures, &labels);
                (figures, page)
            }
            _ => {
                let (figures, labels) = self.labelled(count, dice);
                let page = free_table(&figures, &labels);
                (figures, page)
            }
        };
        let before = sayings(&figures);
        let mut says = before.clone();
        let one = dice.below(figures.len());
        let (figure, (row, column)) = (&figures[one], page.places[one]);
        let kind = match dice.below(20) {
            0 => "unchanged",
            1..=7 => {
                let decimals = self.world.decimals(&figure.measure.code);
                let rewriting = rewritten(&figure.digits, decimals, dice);
                page.rows[row][column] = SheetContent::Text(rewriting.text.replace('\0', "|"));
                says.insert(figure.key(), rewriting.says);
                rewriting.kind
            }
            8 | 9 => {
                let rate = self.world.decimals(&figure.measure.code).is_none();
                let (kind, cell, said) = formatted(&figure.digits, rate, dice);
                page.rows[row][column] = cell;
                says.insert(figure.key(), said.into_iter().collect());
                kind
            }
            10..=15 => rearranged(&mut page, &figures, &mut says, dice),
            _ => {
                let bytes = page.written();
                let (kind, bytes) = package::damaged(&bytes, dice);
                return (before, Mutant { kind, bytes, says });
            }
        };
        (before, Mutant { kind, bytes: page.written(), says })
    }

    /// The form of the service, filled in.
    fn form(&self, figures: &[GoodFigure], labels: &[String]) -> Page {
        let row = |(figure, label): (&GoodFigure, &String)| FormRow {
            measure: figure.measure.clone(),
            label: label.clone(),
            short_label: None,
            depth: 1,
            unit_of_measure: self.world.catalogue.unit_of_measure(&figure.measure.code).to_owned(),
            decimals: self.world.decimals(&figure.measure.code),
            may_be_negative: false,
            previous: Some(Decimal64 { mantissa: 7, scale: 0 }),
            current: Some(Decimal64::parse(&figure.digits).unwrap()),
            recorded: None,
            is_due: false,
            checks: Vec::new(),
        };
        let rows = figures.iter().zip(labels).map(row).collect();
        let bytes = write_form(&ReportingForm {
            unit: figures[0].unit.clone(),
            name: "Trà Vinh".to_owned(),
            month: figures[0].month.parse().unwrap(),
            revision: RevisionNumber::FIRST,
            deadline: None,
            rates: Vec::new(),
            groups: vec![FormGroup { title: "Hệ thống".to_owned(), rows }],
        })
        .unwrap();
        let sheets = open(&bytes).unwrap();
        let content = |cell: &documents::table::GridCell| match cell.number {
            Some(number) => SheetContent::Number(number.to_string()),
            None if cell.text.is_empty() => SheetContent::Blank,
            None => SheetContent::Text(cell.text.clone()),
        };
        let rows = sheets[0].grid.rows.iter().map(|cells| cells.iter().map(content).collect());
        let body = form::HEADER_ROW + 2;
        let mut page = Page {
            rows: rows.collect(),
            hidden_columns: BTreeSet::from([form::CODES]),
            hidden_rows: BTreeSet::new(),
            form: true,
            places: (body..).map(|row| (row, form::INPUT)).take(figures.len()).collect(),
            body,
        };
        page.even();
        page
    }
}

/// A free table: measures in rows, the month and the month before in columns.
fn free_table(figures: &[GoodFigure], labels: &[String]) -> Page {
    let text = |text: &str| SheetContent::Text(text.to_owned());
    let mut rows = vec![vec![
        text("STT"),
        text("Chỉ tiêu"),
        text(&month_in_words(&figures[0].month)),
        text("Ghi chú"),
    ]];
    for (place, (figure, label)) in figures.iter().zip(labels).enumerate() {
        rows.push(vec![
            SheetContent::Number((place + 1).to_string()),
            text(label),
            SheetContent::Number(figure.digits.clone()),
            SheetContent::Blank,
        ]);
    }
    Page {
        rows,
        hidden_columns: BTreeSet::new(),
        hidden_rows: BTreeSet::new(),
        form: false,
        places: (1..=figures.len()).map(|row| (row, 2)).collect(),
        body: 1,
    }
}

/// A sheet with the columns of observations.
fn observations(figures: &[GoodFigure], dice: &mut Dice) -> Page {
    let table = CellTable::of(figures, dice);
    let value = table.column("value");
    let content = |(column, cell): (usize, &String)| {
        if column == value && cell.parse::<f64>().is_ok() {
            SheetContent::Number(cell.clone())
        } else {
            SheetContent::Text(cell.clone())
        }
    };
    let rows = std::iter::once(&table.heads)
        .chain(&table.rows)
        .map(|cells| cells.iter().enumerate().map(content).collect());
    Page {
        rows: rows.collect(),
        hidden_columns: BTreeSet::new(),
        hidden_rows: BTreeSet::new(),
        form: false,
        places: (1..=figures.len()).map(|row| (row, value)).collect(),
        body: 1,
    }
}

/// A number in a number format, and the number that the cell shows.
fn formatted(
    digits: &str,
    rate: bool,
    dice: &mut Dice,
) -> (&'static str, SheetContent, Option<String>) {
    let digits = digits.to_owned();
    let shown = |format| SheetContent::Formatted(digits.clone(), format);
    let same = Some(canonical(&digits));
    let number = Decimal64::parse(&digits).unwrap();
    match dice.below(8) {
        0 => ("a number with groups", shown("#,##0.###"), same),
        1 => ("a number with decimals", shown("0.000"), same),
        2 => {
            let hundredfold = canonical(&number.multiplied(2).unwrap().to_string());
            ("a number as a percentage", shown("0.00%"), rate.then_some(hundredfold))
        }
        3 if rate => {
            let part = Decimal64 { scale: number.scale + 2, ..number };
            let cell = SheetContent::Formatted(part.to_string(), "0.000%");
            ("a rate as a percentage", cell, same)
        }
        4 => ("a number as a date", shown("dd/mm/yyyy"), None),
        5 => ("a number as a time", shown("[h]:mm"), None),
        6 => ("a number shown in thousands", shown("#,##0,"), None),
        _ => ("a formula with a result", SheetContent::Computed(digits.clone()), same),
    }
}

/// Exchanges what two figures say.
fn exchange(says: &mut Sayings, one: &GoodFigure, other: &GoodFigure) {
    let first = says.remove(&one.key()).unwrap_or_default();
    let second = says.insert(other.key(), first).unwrap_or_default();
    says.insert(one.key(), second);
}

/// Moves rows, columns and cells.
fn rearranged(
    page: &mut Page,
    figures: &[GoodFigure],
    says: &mut Sayings,
    dice: &mut Dice,
) -> &'static str {
    page.even();
    let (one, other) = (dice.below(figures.len()), dice.below(figures.len()));
    let (first, second) = (page.places[one], page.places[other]);
    match dice.below(10) {
        0 => {
            let body = page.body;
            dice.shuffle(&mut page.rows[body..]);
            "rows moved"
        }
        1 => {
            // Column A keeps its codes: the form says that they stand there.
            let mut order: Vec<usize> = (0..page.width()).collect();
            dice.shuffle(&mut order);
            for cells in &mut page.rows {
                *cells = order.iter().map(|at| cells[*at].clone()).collect();
            }
            page.hidden_columns = page
                .hidden_columns
                .iter()
                .map(|old| order.iter().position(|at| at == old).unwrap())
                .collect();
            "columns moved with their headings"
        }
        2 => {
            let cell = page.rows[first.0][first.1].clone();
            page.rows[first.0][first.1] =
                std::mem::replace(&mut page.rows[second.0][second.1], cell);
            if one != other {
                // Digits of one measure may be no number of the other one: it is refused then.
                exchange(says, &figures[one], &figures[other]);
                for place in [one, other] {
                    says.entry(figures[place].key()).or_default();
                }
            }
            "two numbers exchanged"
        }
        3 => {
            // The labels alone: with codes they contradict these, without they name the row.
            let label = if page.form { form::LABELS } else { 1 };
            let named =
                page.rows[0].iter().any(|cell| *cell == SheetContent::Text("indicator".to_owned()));
            if !named && one != other {
                let text = page.rows[first.0][label].clone();
                page.rows[first.0][label] =
                    std::mem::replace(&mut page.rows[second.0][label], text);
                if page.form {
                    says.insert(figures[one].key(), BTreeSet::new());
                    says.insert(figures[other].key(), BTreeSet::new());
                } else {
                    exchange(says, &figures[one], &figures[other]);
                }
            }
            "two labels exchanged"
        }
        4 => {
            page.rows.insert(0, vec![SheetContent::Blank; 2]);
            "an empty row above"
        }
        5 => {
            for cells in &mut page.rows {
                cells.insert(0, SheetContent::Blank);
            }
            page.hidden_columns = page.hidden_columns.iter().map(|column| column + 1).collect();
            "an empty column before"
        }
        6 => {
            page.rows[first.0][first.1] = SheetContent::Blank;
            says.remove(&figures[one].key());
            "a number removed"
        }
        7 if !page.form => {
            page.hidden_rows.insert(first.0);
            "a row hidden"
        }
        8 if !page.form => {
            // A column of other numbers, with a heading that is not that of the month.
            let heads = [
                "Lũy kế từ đầu năm",
                "Kế hoạch",
                "So với tháng trước",
                "8 tháng đầu năm",
                "",
                "Tổng",
            ];
            let heading = heads[dice.below(heads.len())];
            let observations =
                page.places[0].1 != 2 || page.rows[0][0] != SheetContent::Text("STT".to_owned());
            if !observations {
                let beside = 2 + dice.below(2);
                for (row, cells) in page.rows.iter_mut().enumerate() {
                    let cell = match row {
                        0 => SheetContent::Text(heading.to_owned()),
                        _ => SheetContent::Number((1_000_000 + row).to_string()),
                    };
                    cells.insert(beside, cell);
                }
            }
            "a column of something else"
        }
        _ => {
            // What is in its place now may be a number too, which the row says then.
            let place = dice.below(page.rows[first.0].len());
            page.rows[first.0].swap(first.1, place);
            if place != first.1 {
                let here = match &page.rows[first.0][first.1] {
                    SheetContent::Number(digits) => BTreeSet::from([canonical(digits)]),
                    SheetContent::Text(_)
                    | SheetContent::Blank
                    | SheetContent::Formatted(..)
                    | SheetContent::Computed(_) => BTreeSet::new(),
                };
                says.insert(figures[one].key(), here);
            }
            "a number in another column"
        }
    }
}
