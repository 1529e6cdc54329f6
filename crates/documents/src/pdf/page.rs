//! Content of a PDF page: the letters with their positions, and the vertical and horizontal rules
//! of tables.

use std::collections::HashMap;
use std::rc::Rc;

use lopdf::content::{Content, Operation};
use lopdf::{Dictionary, Document, Object, ObjectId};
use unicode_normalization::char::is_combining_mark;

use super::font::PdfFont;
use super::guard::ReadDeadline;
use super::instructions;
use super::scan::tokens;
use super::{malformed, number};
use crate::{DocumentError, limits};

/// Greatest thickness of a rectangle that counts as a rule, in points.
const RULE: f64 = 3.0;
/// Number of operations between two checks of the deadline.
const OPERATIONS_PER_DEADLINE_CHECK: usize = 1_000;
/// Most rules of a page that are kept; pictures may have many.
const RULES: usize = 20_000;
/// Most ancestors of a page that are searched for inherited entries.
const ANCESTORS: usize = 64;

/// A letter. Lengths are in points, `y` points upwards.
#[derive(Clone, Debug)]
pub(super) struct Glyph {
    pub(super) text: String,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) size: f64,
    pub(super) bold: bool,
    /// Whether a line is drawn through it.
    pub(super) struck: bool,
}

/// A rule: its position, and its start and end.
#[derive(Clone, Copy, Debug)]
pub(super) struct RuledLine {
    pub(super) at: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

/// The letters and rules of a page.
#[derive(Default)]
pub(super) struct PageContent {
    pub(super) glyphs: Vec<Glyph>,
    pub(super) upright: Vec<RuledLine>,
    pub(super) level: Vec<RuledLine>,
}

/// An affine transformation: `x' = a x + c y + e`, `y' = b x + d y + f`.
#[derive(Clone, Copy)]
struct Matrix([f64; 6]);

impl Matrix {
    const UNIT: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    /// Applies `self` first, then `outer`.
    fn then(self, outer: Self) -> Self {
        let ([a, b, c, d, e, f], [oa, ob, oc, od, oe, of]) = (self.0, outer.0);
        Self([
            a * oa + b * oc,
            a * ob + b * od,
            c * oa + d * oc,
            c * ob + d * od,
            e * oa + f * oc + oe,
            e * ob + f * od + of,
        ])
    }

    fn point(self, x: f64, y: f64) -> (f64, f64) {
        let [a, b, c, d, e, f] = self.0;
        (a * x + c * y + e, b * x + d * y + f)
    }

    fn of(operands: &[Object]) -> Option<Self> {
        let values: Vec<f64> = operands.iter().filter_map(number).collect();
        values.try_into().ok().map(Self)
    }
}

#[derive(Clone)]
struct GraphicsState<'a> {
    matrix: Matrix,
    font: Option<Rc<PdfFont<'a>>>,
    size: f64,
    letter_space: f64,
    word_space: f64,
    stretch: f64,
    leading: f64,
    rise: f64,
}

/// Reads the pages of a PDF.
pub(super) struct PageReader<'a> {
    document: &'a Document,
    deadline: ReadDeadline,
    fonts: HashMap<ObjectId, Rc<PdfFont<'a>>>,
    unknown: usize,
    glyphs: usize,
    operations: usize,
}

/// The state while the instructions of a page are processed.
struct PageDrawing<'a> {
    page: PageContent,
    state: GraphicsState<'a>,
    stack: Vec<GraphicsState<'a>>,
    text: Matrix,
    line: Matrix,
    path: Vec<(f64, f64, f64, f64)>,
    point: (f64, f64),
    /// The open marked-content sequences.
    marks: Vec<MarkedContent>,
}

/// A marked-content sequence.
struct MarkedContent {
    /// Whether it is a header or footer.
    running: bool,
    /// Its text, if it is given (`ActualText`, ISO 32000-2, 14.9.4). Programs give it where a
    /// letter is drawn with several shapes, as with fonts that lack some Vietnamese letters.
    actual: Option<String>,
    /// The number of letters of the page before it.
    before: usize,
}

impl<'a> PageReader<'a> {
    pub(super) fn new(document: &'a Document, deadline: ReadDeadline) -> Self {
        Self { document, deadline, fonts: HashMap::new(), unknown: 0, glyphs: 0, operations: 0 }
    }

    /// The number of letters that could not be decoded.
    pub(super) fn unknown(&self) -> usize {
        self.unknown
    }

    /// The letters and rules of a page.
    ///
    /// # Errors
    /// Errors of the limits.
    pub(super) fn page(&mut self, id: ObjectId) -> Result<PageContent, DocumentError> {
        self.deadline.check()?;
        let document = self.document;
        let Ok(dictionary) = document.get_dictionary(id) else { return Ok(PageContent::default()) };
        let mut content = Vec::new();
        for stream in document.get_page_contents(id) {
            let part = document
                .get_object(stream)
                .and_then(Object::as_stream)
                .map(|stream| stream.content.as_slice())
                .unwrap_or_default();
            bounded(content.len() + part.len())?;
            content.extend_from_slice(part);
            content.push(b'\n');
        }
        let up = |dictionary: &&'a Dictionary| {
            document.get_dictionary(dictionary.get(b"Parent").ok()?.as_reference().ok()?).ok()
        };
        let inherited = |key: &'static [u8]| {
            let mut chain = std::iter::successors(Some(dictionary), up).take(ANCESTORS);
            chain.find_map(|dictionary| dictionary.get_deref(key, document).ok())
        };
        let resources = inherited(b"Resources").and_then(|resources| resources.as_dict().ok());
        let turned = inherited(b"Rotate")
            .and_then(|turned| turned.as_i64().ok())
            .unwrap_or(0)
            .rem_euclid(360);
        let matrix = match turned {
            90 => Matrix([0.0, -1.0, 1.0, 0.0, 0.0, 0.0]),
            180 => Matrix([-1.0, 0.0, 0.0, -1.0, 0.0, 0.0]),
            270 => Matrix([0.0, 1.0, -1.0, 0.0, 0.0, 0.0]),
            _ => Matrix::UNIT,
        };
        let state = GraphicsState {
            matrix,
            font: None,
            size: 1.0,
            letter_space: 0.0,
            word_space: 0.0,
            stretch: 1.0,
            leading: 0.0,
            rise: 0.0,
        };
        let mut drawing = PageDrawing {
            page: PageContent::default(),
            state,
            stack: Vec::new(),
            text: matrix,
            line: matrix,
            path: Vec::new(),
            point: (0.0, 0.0),
            marks: Vec::new(),
        };
        self.execute(&mut drawing, &content, resources, 0)?;
        Ok(drawing.page)
    }

    fn execute(
        &mut self,
        drawing: &mut PageDrawing<'a>,
        content: &[u8],
        resources: Option<&'a Dictionary>,
        depth: usize,
    ) -> Result<(), DocumentError> {
        if tokens(content) > limits::PDF_TOKENS {
            return Err(DocumentError::new(
                "too_large",
                format!("a page of the PDF has more than {} tokens", limits::PDF_TOKENS),
            ));
        }
        // The library decodes all that it is given, so it is given one piece at a time.
        for stretch in instructions::stretches(content) {
            if stretch.len() > limits::PDF_INSTRUCTION_BYTES
                && tokens(stretch) > limits::PDF_OPERANDS
            {
                return Err(DocumentError::new(
                    "too_large",
                    format!(
                        "an instruction of the PDF has more than {} tokens",
                        limits::PDF_OPERANDS
                    ),
                ));
            }
            self.deadline.check()?;
            let decoded = Content::decode(stretch).map_err(malformed)?;
            for operation in &decoded.operations {
                self.operation(drawing, operation, resources, depth)?;
            }
        }
        Ok(())
    }

    fn operation(
        &mut self,
        drawing: &mut PageDrawing<'a>,
        operation: &Operation,
        resources: Option<&'a Dictionary>,
        depth: usize,
    ) -> Result<(), DocumentError> {
        self.operations += 1;
        if self.operations.is_multiple_of(OPERATIONS_PER_DEADLINE_CHECK) {
            self.deadline.check()?;
        }
        match operation.operator.as_str() {
            "Tf" => {
                drawing.state.font = self.font(operation, resources);
                drawing.state.size = operation.operands.get(1).and_then(number).unwrap_or(1.0);
            }
            "Tj" | "TJ" | "'" | "\"" => self.show_text(drawing, operation)?,
            "Do" => self.form(drawing, operation, resources, depth)?,
            _ => drawing.set(operation),
        }
        Ok(())
    }

    fn font(
        &mut self,
        operation: &Operation,
        resources: Option<&'a Dictionary>,
    ) -> Option<Rc<PdfFont<'a>>> {
        let name = operation.operands.first()?.as_name().ok()?;
        let document = self.document;
        let fonts = resources?.get_deref(b"Font", document).and_then(Object::as_dict).ok()?;
        let named = fonts.get(name).ok()?;
        let (id, font) = document.dereference(named).ok()?;
        let font = font.as_dict().ok()?;
        let Some(id) = id else { return Some(Rc::new(PdfFont::read(document, font))) };
        Some(Rc::clone(
            self.fonts.entry(id).or_insert_with(|| Rc::new(PdfFont::read(document, font))),
        ))
    }

    /// Draws a form, which has instructions of its own.
    fn form(
        &mut self,
        drawing: &mut PageDrawing<'a>,
        operation: &Operation,
        resources: Option<&'a Dictionary>,
        depth: usize,
    ) -> Result<(), DocumentError> {
        let document = self.document;
        let named = operation.operands.first().and_then(|name| name.as_name().ok());
        let forms = resources.and_then(|resources| {
            resources.get_deref(b"XObject", document).and_then(Object::as_dict).ok()
        });
        let form = forms.zip(named).and_then(|(forms, name)| {
            forms.get_deref(name, document).and_then(Object::as_stream).ok()
        });
        let Some(form) = form.filter(|form| {
            form.dict.get(b"Subtype").and_then(Object::as_name).is_ok_and(|kind| kind == b"Form")
        }) else {
            return Ok(());
        };
        if depth >= limits::PDF_FORM_DEPTH {
            return Err(DocumentError::new(
                "too_deep",
                format!("forms of the PDF are nested more than {} deep", limits::PDF_FORM_DEPTH),
            ));
        }
        bounded(form.content.len())?;
        let own = form.dict.get_deref(b"Resources", document).and_then(Object::as_dict).ok();
        let before = drawing.state.clone();
        let height = drawing.stack.len();
        if let Some(matrix) = form
            .dict
            .get_deref(b"Matrix", document)
            .and_then(Object::as_array)
            .ok()
            .and_then(|matrix| Matrix::of(matrix))
        {
            drawing.state.matrix = matrix.then(drawing.state.matrix);
        }
        self.execute(drawing, &form.content, own.or(resources), depth + 1)?;
        drawing.stack.truncate(height);
        drawing.state = before;
        Ok(())
    }

    /// Executes an operator that shows text.
    fn show_text(
        &mut self,
        drawing: &mut PageDrawing<'a>,
        operation: &Operation,
    ) -> Result<(), DocumentError> {
        if matches!(operation.operator.as_str(), "'" | "\"") {
            drawing.next_line(0.0, -drawing.state.leading);
        }
        let items = operation.operands.iter().flat_map(|operand| {
            operand.as_array().map_or(std::slice::from_ref(operand), Vec::as_slice)
        });
        for item in items {
            if let Object::String(bytes, _) = item {
                self.string(drawing, bytes)?;
            } else if operation.operator == "TJ" {
                let back = number(item).unwrap_or(0.0) / 1000.0
                    * drawing.state.size
                    * drawing.state.stretch;
                drawing.text = Matrix([1.0, 0.0, 0.0, 1.0, -back, 0.0]).then(drawing.text);
            }
        }
        Ok(())
    }

    fn string(&mut self, drawing: &mut PageDrawing<'a>, bytes: &[u8]) -> Result<(), DocumentError> {
        if bytes.len() > limits::PDF_STRING_BYTES {
            return Err(DocumentError::new(
                "too_large",
                format!(
                    "the PDF draws a text of more than {} bytes at once",
                    limits::PDF_STRING_BYTES
                ),
            ));
        }
        let state = drawing.state.clone();
        let Some(font) = state.font.clone() else { return Ok(()) };
        for (text, width, space) in font.letters(bytes) {
            let placed =
                Matrix([state.size * state.stretch, 0.0, 0.0, state.size, 0.0, state.rise])
                    .then(drawing.text)
                    .then(state.matrix);
            let ((x, y), (end, _)) = (placed.point(0.0, 0.0), placed.point(width, 0.0));
            let (_, top) = placed.point(0.0, 1.0);
            let spacing = state.letter_space + if space { state.word_space } else { 0.0 };
            let along = (width * state.size + spacing) * state.stretch;
            drawing.text = Matrix([1.0, 0.0, 0.0, 1.0, along, 0.0]).then(drawing.text);
            self.glyphs += 1;
            self.unknown += usize::from(
                text.is_none() && drawing.marks.iter().all(|mark| mark.actual.is_none()),
            );
            if self.glyphs > limits::PDF_GLYPHS {
                return Err(DocumentError::new(
                    "too_large",
                    format!("the PDF has more than {} letters", limits::PDF_GLYPHS),
                ));
            }
            let size = (top - y).abs();
            if drawing.marks.iter().any(|mark| mark.running)
                || !(x.is_finite() && y.is_finite() && end.is_finite() && size > 0.1)
            {
                continue;
            }
            let text = text.unwrap_or_else(|| char::REPLACEMENT_CHARACTER.to_string());
            // A diacritic that is drawn over the letter before it.
            let near = |last: &&mut Glyph| {
                (last.x + last.width - x).abs() < size && (last.y - y).abs() < size
            };
            if text.chars().all(is_combining_mark)
                && let Some(letter) = drawing.page.glyphs.last_mut().filter(near)
            {
                letter.text.push_str(&text);
                continue;
            }
            drawing.page.glyphs.push(Glyph {
                text,
                x: x.min(end),
                y,
                width: (end - x).abs(),
                size,
                bold: font.bold,
                struck: false,
            });
        }
        Ok(())
    }
}

fn bounded(length: usize) -> Result<(), DocumentError> {
    if length > limits::PDF_PAGE_BYTES {
        return Err(DocumentError::new(
            "too_large",
            format!(
                "a page of the PDF has more than {} bytes of instructions",
                limits::PDF_PAGE_BYTES
            ),
        ));
    }
    Ok(())
}

impl PageDrawing<'_> {
    /// Processes an instruction that changes the state or draws rules.
    fn set(&mut self, operation: &Operation) {
        let operands = &operation.operands;
        let at = |place: usize| operands.get(place).and_then(number).unwrap_or(0.0);
        match operation.operator.as_str() {
            "q" if self.stack.len() < limits::PDF_SAVED_STATES => {
                self.stack.push(self.state.clone())
            }
            "Q" => self.state = self.stack.pop().unwrap_or_else(|| self.state.clone()),
            "cm" => {
                self.state.matrix =
                    Matrix::of(operands).unwrap_or(Matrix::UNIT).then(self.state.matrix)
            }
            "BT" => (self.text, self.line) = (Matrix::UNIT, Matrix::UNIT),
            "Tm" => self.line = Matrix::of(operands).unwrap_or(Matrix::UNIT),
            "Td" => self.next_line(at(0), at(1)),
            "TD" => {
                self.state.leading = -at(1);
                self.next_line(at(0), at(1));
            }
            "T*" => self.next_line(0.0, -self.state.leading),
            "Tc" => self.state.letter_space = at(0),
            "Tw" => self.state.word_space = at(0),
            "Tz" => self.state.stretch = at(0) / 100.0,
            "TL" => self.state.leading = at(0),
            "Ts" => self.state.rise = at(0),
            "BMC" | "BDC" => {
                let artifact = operands
                    .first()
                    .and_then(|tag| tag.as_name().ok())
                    .is_some_and(|tag| tag == b"Artifact");
                let properties = operands.get(1).and_then(|properties| properties.as_dict().ok());
                let kind = properties
                    .and_then(|properties| properties.get(b"Type").and_then(Object::as_name).ok());
                let actual = properties.and_then(|properties| {
                    lopdf::decode_text_string(properties.get(b"ActualText").ok()?).ok()
                });
                self.marks.push(MarkedContent {
                    running: artifact && kind.is_some_and(|kind| kind == b"Pagination"),
                    actual,
                    before: self.page.glyphs.len(),
                });
            }
            "EMC" => self.marks.pop().into_iter().for_each(|mark| self.unmark(mark)),
            "m" => self.point = (at(0), at(1)),
            "l" => {
                self.path.push((self.point.0, self.point.1, at(0), at(1)));
                self.point = (at(0), at(1));
            }
            "re" => self.path.push((at(0), at(1), at(0) + at(2), at(1) + at(3))),
            "S" | "s" | "f" | "F" | "f*" | "B" | "B*" | "b" | "b*" => self.draw(),
            "n" => self.path.clear(),
            _ => {}
        }
        if operation.operator == "Tm" {
            self.text = self.line;
        }
    }

    /// Ends a marked-content sequence. If its text is given, that text replaces the letters drawn,
    /// provided they are in one line.
    fn unmark(&mut self, mark: MarkedContent) {
        let Some(text) = mark.actual else { return };
        let drawn = self.page.glyphs.get(mark.before..).unwrap_or_default();
        let Some(first) = drawn.first().cloned() else { return };
        if drawn.iter().any(|glyph| (glyph.y - first.y).abs() > first.size) {
            return;
        }
        // Some programs draw diacritics after the letter and move back over it.
        let letters = drawn.iter().take(text.chars().count());
        let (x, end) = letters.fold((first.x, first.x), |(x, end), glyph| {
            (x.min(glyph.x), end.max(glyph.x + glyph.width))
        });
        self.page.glyphs.truncate(mark.before);
        if !text.is_empty() {
            self.page.glyphs.push(Glyph { text, x, width: end - x, ..first });
        }
    }

    fn next_line(&mut self, x: f64, y: f64) {
        self.line = Matrix([1.0, 0.0, 0.0, 1.0, x, y]).then(self.line);
        self.text = self.line;
    }

    fn draw(&mut self) {
        for (x, y, right, top) in std::mem::take(&mut self.path) {
            let ((x, y), (right, top)) =
                (self.state.matrix.point(x, y), self.state.matrix.point(right, top));
            let (left, right, bottom, top) = (x.min(right), x.max(right), y.min(top), y.max(top));
            let full = self.page.upright.len() + self.page.level.len() >= RULES;
            if full || !(right - left).is_finite() || !(top - bottom).is_finite() {
                continue;
            }
            let upright = |at: f64| RuledLine { at, from: bottom, to: top };
            let level = |at: f64| RuledLine { at, from: left, to: right };
            match (right - left <= RULE, top - bottom <= RULE) {
                (true, false) => self.page.upright.push(upright(f64::midpoint(left, right))),
                (false, true) => self.page.level.push(level(f64::midpoint(bottom, top))),
                // The frame of a cell.
                (false, false) => {
                    self.page.upright.extend([upright(left), upright(right)]);
                    self.page.level.extend([level(bottom), level(top)]);
                }
                (true, true) => {}
            }
        }
    }
}
