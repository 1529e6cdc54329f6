//! Whose figures a clause states: the report's own unit, or another unit, office, tier of government
//! or body. It follows from the words that the clause begins with; a sentence that begins without a
//! subject goes on about the owner of the one before.

use std::ops::Range;

use super::item_sequence::ItemSequence;
use super::paragraph::ReportParagraph;
use super::period_sign::mark;

/// Whose figures a text states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OwnerScope {
    /// The report's own unit, also through its one-stop centre or counter.
    Own,
    /// Another unit, an office, a tier, a group of units or another body.
    Other,
}

/// Words at the beginning of a clause about the whole unit of the report, or about an office that
/// speaks for it.
const OWN: [&str; 14] = [
    "toàn tỉnh",
    "toàn thành phố",
    "tính chung",
    "cả tỉnh",
    "tổng cộng",
    "trung tâm phục vụ hành chính công tỉnh",
    "trung tâm phục vụ hành chính công của tỉnh",
    "trung tâm phục vụ hành chính công",
    "trung tâm hành chính công tỉnh",
    "trung tâm hành chính công",
    "bộ phận một cửa",
    "bộ phận tiếp nhận và trả kết quả",
    "thanh tra sở",
    "trang thông tin điện tử",
];
/// Words, besides names of units, at the beginning of a clause about another owner.
const OTHERS: [&str; 52] = [
    "bộ phận một cửa cấp",
    "bộ phận một cửa của các",
    "bộ phận một cửa các",
    "bộ phận một cửa huyện",
    "bộ phận một cửa xã",
    "bộ phận tiếp nhận và trả kết quả cấp",
    "bộ phận tiếp nhận và trả kết quả các",
    "bộ phận tiếp nhận và trả kết quả của các",
    "trung tâm phục vụ hành chính công cấp",
    "trung tâm phục vụ hành chính công các",
    "trung tâm phục vụ hành chính công xã",
    "trung tâm phục vụ hành chính công phường",
    "trung tâm phục vụ hành chính công huyện",
    "cấp tỉnh",
    "cấp huyện",
    "cấp xã",
    "cấp sở",
    "cả nước",
    "toàn quốc",
    "công an",
    "bưu điện",
    "riêng lĩnh vực",
    "các huyện",
    "các xã",
    "các phường",
    "các sở",
    "các ban",
    "các địa phương",
    "sở , ban",
    "ủy ban nhân dân cấp",
    "ủy ban nhân dân các",
    "văn phòng ủy ban",
    "văn phòng tỉnh ủy",
    "văn phòng hội đồng",
    "văn phòng đoàn",
    "tỉnh ủy",
    "thành ủy",
    "huyện ủy",
    "hội đồng nhân dân",
    "mặt trận",
    "bảo hiểm xã hội",
    "kho bạc",
    "cục thuế",
    "chi cục",
    "ngân hàng",
    "liên đoàn",
    "hợp tác xã",
    "tòa án",
    "viện kiểm sát",
    "bộ chỉ huy",
    "hải quan",
    "điện lực",
];
/// The second tier of a subject that names two.
const TIERS: [&str; 9] = [
    " và ủy ban nhân dân ",
    " và các huyện ",
    " và các xã ",
    " và các địa phương ",
    " và cấp huyện ",
    " và cấp xã ",
    " , cấp huyện ",
    " , ủy ban nhân dân ",
    " và địa phương ",
];
/// Words before the subject of a clause.
const LEADING: [&str; 16] = [
    "trong", "tháng", "kỳ", "này", "hiện", "theo", "đó", "tại", "ở", "của", "do", "có", "và",
    "thì", "trên", "địa",
];
/// Words that a sentence without a subject begins with.
const WITHOUT_SUBJECT: [&str; 14] = [
    "đã", "qua", "phát", "kết", "tỷ", "đạt", "giải", "tiếp", "ban", "xử", "trong", "cụ", "số",
    "gồm",
];

impl ReportParagraph<'_> {
    /// The owner that a clause names at its beginning.
    pub(super) fn owner_of_clause(
        &self,
        list: &ItemSequence,
        clause: &Range<usize>,
    ) -> Option<OwnerScope> {
        let word = |at: usize| list.slice(&(at..at + 1)).1.trim();
        let is_time =
            |at: usize| word(at).chars().all(|sign| (mark::NOW..=mark::DAY).contains(&sign));
        let mut start = clause.start;
        while start < clause.end && (LEADING.contains(&word(start)) || is_time(start)) {
            start += 1;
        }
        let subset = word(start) == "riêng";
        if subset {
            start += 1;
        }
        // From here, and from the beginning: "trong kỳ" may be the name of something.
        for at in [start, clause.start] {
            let line = list.slice(&(at..clause.end)).1.trim_start();
            let begins = |names: &[&str]| {
                names.iter().any(|name| {
                    line.strip_prefix(name).is_some_and(|rest| {
                        rest.starts_with(' ') && !rest.trim_start().starts_with('-')
                    })
                })
            };
            if begins(&OTHERS) {
                // "các sở, ban, ngành và UBND các huyện" are the whole.
                let number = (at..list.items.len()).find(|item| list.is_number(*item));
                let subject = list.slice(&(at..number.unwrap_or(clause.end))).1;
                let whole = TIERS.iter().any(|tier| subject.contains(tier));
                return Some(if whole { OwnerScope::Own } else { OwnerScope::Other });
            }
            let Some(item) = list.items.get(at) else { continue };
            let unit = item.unit;
            if self.begins_with_another(item.token, unit, subset) {
                return Some(OwnerScope::Other);
            }
            if begins(&OWN) || unit == Some(self.setting.unit) {
                return Some(OwnerScope::Own);
            }
        }
        None
    }

    /// Whether a sentence without words of its own for the owner goes on about the owner of the one
    /// before.
    pub(super) fn has_no_subject(&self, first: &str) -> bool {
        WITHOUT_SUBJECT.contains(&first)
    }
}
