//! Reads the labels of rows and columns.

use super::facets::{LabelColumnKind, LabelFacets};
use super::label_context::LabelContext;
use super::mapping::LabelMeaning;
use super::unit_names::{UnitMatch, UnitNames};
use crate::label::{LabelIndex, LabelResolution, MeasureUnitText, split_marker};
use crate::report::names_whole_of_another;
use kpi::catalogue::Catalogue;
use kpi::unit::{UnitForest, UnitPosition};
use kpi::vietnamese::folding::unaccented;
use kpi::vietnamese::months::extract_months;

/// Why the figures of "Toàn tỉnh" are not those of a department.
pub(crate) const OTHER_WHOLE: &str = "the label names the whole of another unit";

/// What a heading of one known word gives.
fn header_word(text: &str) -> Option<LabelFacets> {
    let aside = |what| Some(LabelFacets { aside: Some(what), ..LabelFacets::default() });
    let stub = |stub| Some(LabelFacets { stub: Some(stub), ..LabelFacets::default() });
    match text {
        "stt" | "tt" | "so tt" | "so thu tu" | "no" | "no." | "#" => aside("row numbers"),
        "don vi tinh" | "dvt" | "unit of measure" => aside("units of measure"),
        "ghi chu" | "chu thich" | "ly do" | "nguon" | "nguon so lieu" | "note" | "notes"
        | "remarks" | "giai trinh" => aside("notes"),
        "chi tieu" | "ten chi tieu" | "noi dung" | "chi so" | "danh muc" | "hang muc"
        | "indicator" | "measure" | "ma chi tieu" | "ma" | "ten" | "tieu chi" | "he thong"
        | "linh vuc" | "noi dung chi tieu" | "chi tieu bao cao" => stub(LabelColumnKind::Any),
        "don vi bao cao"
        | "ten don vi"
        | "co quan"
        | "co quan, don vi"
        | "huyen"
        | "xa"
        | "dia phuong"
        | "dia ban"
        | "ma don vi"
        | "unit"
        | "huyen, thi xa, thanh pho"
        | "so, nganh"
        | "ten co quan" => stub(LabelColumnKind::Units),
        "thang" | "ky" | "ky bao cao" | "thang bao cao" | "period" | "month" | "thoi gian" => {
            stub(LabelColumnKind::Months)
        }
        "nam" | "year" => stub(LabelColumnKind::Years),
        "gia tri"
        | "so lieu"
        | "ket qua"
        | "thuc hien"
        | "so luong"
        | "value"
        | "ket qua thuc hien"
        | "so luong thuc hien"
        | "so bao cao"
        | "figure"
        | "ket qua thang"
        | "ket qua trong thang"
        | "so lieu thang"
        | "so lieu trong thang"
        | "thuc hien thang"
        | "thuc hien trong thang"
        | "phat sinh trong thang"
        | "so trong thang"
        | "ket qua dat duoc"
        | "ket qua ky nay"
        | "thuc hien ky nay"
        | "so ky nay" => Some(LabelFacets { plain: true, ..LabelFacets::default() }),
        _ => None,
    }
}

/// Reads labels for a catalogue and units.
#[derive(Debug)]
pub(super) struct LabelReader<'a> {
    pub catalogue: &'a Catalogue,
    pub units: &'a UnitForest,
    pub labels: LabelIndex<'a>,
    pub places: UnitNames<'a>,
}

impl<'a> LabelReader<'a> {
    /// Indexes labels and names.
    pub(super) fn new(catalogue: &'a Catalogue, units: &'a UnitForest) -> Self {
        Self { catalogue, units, labels: LabelIndex::new(catalogue), places: UnitNames::new(units) }
    }

    /// Reads a label of a header.
    pub(super) fn header_label(&self, text: &str, around: &LabelContext) -> LabelFacets {
        let bare = unaccented(split_marker(text).1);
        let bare = bare.trim().trim_end_matches(':');
        if let Some(found) = header_word(bare) {
            // The heading "Kết quả tháng" beside "Tháng trước".
            let of_month = found.plain && (bare.contains("thang") || bare.contains("ky nay"));
            return LabelFacets {
                month: around.month.filter(|_| of_month).or(found.month),
                ..found
            };
        }
        let dimension = self
            .catalogue
            .document
            .dimensions
            .iter()
            .find(|dimension| dimension.code == bare || unaccented(&dimension.name.vi) == bare);
        if let Some(dimension) = dimension {
            return LabelFacets {
                stub: Some(LabelColumnKind::Members(dimension.code.clone())),
                ..LabelFacets::default()
            };
        }
        if bare == "ke hoach" {
            return LabelFacets {
                refused: Some("a plan or target, not a reported figure".to_owned()),
                ..LabelFacets::default()
            };
        }
        let shares =
            matches!(bare, "ty le" | "ti le" | "ty trong" | "%" | "ty le %" | "ty le (%)" | "rate");
        if shares {
            return LabelFacets {
                refused: Some("the label does not say which rate it is".to_owned()),
                measured: Some(MeasureUnitText { percent: true, power: 0 }),
                ..LabelFacets::default()
            };
        }
        self.label(text, around)
    }

    /// Why a total is not the reporting unit's.
    fn refused_total(&self, text: &str, around: &LabelContext) -> Option<String> {
        self.names_whole_of_another(text, around.unit).then(|| OTHER_WHOLE.to_owned())
    }

    /// Reads a label.
    pub(super) fn label(&self, text: &str, around: &LabelContext) -> LabelFacets {
        let text = text.trim();
        if text.is_empty() {
            return LabelFacets::default();
        }
        let reading = self.labels.read(text, &around.hint);
        let mut facets = LabelFacets { measured: reading.unit, ..LabelFacets::default() };
        match reading.resolution {
            LabelResolution::One(measure) => {
                return LabelFacets { measure: Some(measure), ..facets };
            }
            LabelResolution::Members(ways) => return LabelFacets { members: ways, ..facets },
            LabelResolution::Empty if !around.systems_only(&self.labels, text) => {
                facets.total = is_total(text);
                facets.refused = self.refused_total(text, around);
                return facets;
            }
            LabelResolution::Empty => return facets,
            LabelResolution::Several(measures) => {
                let names: Vec<String> = measures.iter().map(ToString::to_string).collect();
                facets.refused = Some(format!("the label may mean {}", names.join(" or ")));
                return facets;
            }
            LabelResolution::Nothing => {}
        }
        match self.places.resolve(split_marker(text).1, around.month, around.unit) {
            UnitMatch::One(unit) => return LabelFacets { unit: Some(unit), ..facets },
            UnitMatch::Several(units) => {
                let names: Vec<&str> = units.iter().map(|unit| self.units.code(*unit)).collect();
                facets.refused =
                    Some(format!("the label may mean the unit {}", names.join(" or ")));
                return facets;
            }
            UnitMatch::Unknown => {}
        }
        if is_total(text) {
            let refused = self.refused_total(text, around);
            return LabelFacets { total: true, refused, ..facets };
        }
        let timed = extract_months(text);
        if timed.when.is_empty() {
            return LabelFacets { unknown: true, ..facets };
        }
        let rest = timed.rest.trim_matches(|c: char| !c.is_alphanumeric() && c != '%' && c != ')');
        let mut found = if rest.is_empty() || unaccented(rest) == "thang" {
            LabelFacets::default()
        } else {
            self.header_label(rest, around)
        };
        found.stub = None;
        found.time(&timed.when, around);
        found
    }

    /// Whether a text names the whole of a unit of another kind than the reporting one: "Toàn tỉnh"
    /// in a table of a department.
    pub(super) fn names_whole_of_another(&self, text: &str, own: Option<UnitPosition>) -> bool {
        let unit = own.and_then(|own| self.units.get(own));
        unit.is_some_and(|unit| names_whole_of_another(&unit.document, text))
    }

    /// What labels above or beside each other give together.
    pub(super) fn read_labels(
        &self,
        texts: &[String],
        around: &LabelContext,
        header: bool,
    ) -> LabelFacets {
        let read = |text: &str, around: &LabelContext| {
            if header { self.header_label(text, around) } else { self.label(text, around) }
        };
        if let [one] = texts {
            return read(one, around);
        }
        let mut around = around.clone();
        let joined = read(
            &texts.iter().map(|text| split_marker(text).1).collect::<Vec<_>>().join(" "),
            &around,
        );
        if joined.measure.is_some() && joined.refused.is_none() && !joined.unknown {
            return joined;
        }
        let mut found = LabelFacets::default();
        for text in texts {
            let systems = around.systems_only(&self.labels, text);
            let one = read(text, &around);
            if systems {
                around.hint = text.clone();
                if one.says_nothing() {
                    continue;
                }
            }
            found = found.and(one, self.catalogue);
        }
        found
    }

    /// The meaning of facets, for the preview.
    pub(super) fn meaning(&self, facets: &LabelFacets) -> LabelMeaning {
        if let Some(why) = &facets.refused {
            return LabelMeaning::Unclaimed(why.clone());
        }
        let members = match facets.members.as_slice() {
            [one] => Some(format!("{{{one}}}")),
            _ => None,
        };
        LabelMeaning::Figures {
            measure: facets.measure.as_ref().map(ToString::to_string).or(members),
            unit: facets.unit,
            month: facets.month,
        }
    }
}

/// Whether a label is that of a total.
fn is_total(text: &str) -> bool {
    let text = unaccented(split_marker(text).1);
    let text = text.trim().trim_end_matches(':').trim();
    // "Tổng số hồ sơ toàn tỉnh"
    let counted = text.strip_suffix(" toan tinh").unwrap_or(text);
    let counted = ["tong cong ", "tong so ", "tong ", "cong "]
        .into_iter()
        .find_map(|head| counted.strip_prefix(head))
        .unwrap_or_default();
    let nouns = [
        "ho so",
        "dich vu",
        "dich vu cong",
        "van ban",
        "chung thu so",
        "chung thu",
        "hop thu",
        "tai khoan",
        "cuoc",
        "luot",
        "don",
    ];
    if nouns.contains(&counted) {
        return true;
    }
    matches!(
        text,
        "tong cong"
            | "cong"
            | "tong"
            | "tong so"
            | "toan tinh"
            | "toan huyen"
            | "chung"
            | "tong chung"
            | "total"
            | "tong toan tinh"
            | "tong cong toan tinh"
            | "cong chung"
    )
}
