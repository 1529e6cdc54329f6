//! Detection of text that was UTF-8, was read as Latin-1 or Windows-1252, and was saved again:
//! `VÄƒn báº£n` for `Văn bản`.

/// The characters of Windows-1252 for the bytes 0x80 to 0x9F, without those that it leaves out.
const UPPER: [(char, u8); 27] = [
    ('€', 0x80),
    ('‚', 0x82),
    ('ƒ', 0x83),
    ('„', 0x84),
    ('…', 0x85),
    ('†', 0x86),
    ('‡', 0x87),
    ('ˆ', 0x88),
    ('‰', 0x89),
    ('Š', 0x8A),
    ('‹', 0x8B),
    ('Œ', 0x8C),
    ('Ž', 0x8E),
    ('‘', 0x91),
    ('’', 0x92),
    ('“', 0x93),
    ('”', 0x94),
    ('•', 0x95),
    ('–', 0x96),
    ('—', 0x97),
    ('˜', 0x98),
    ('™', 0x99),
    ('š', 0x9A),
    ('›', 0x9B),
    ('œ', 0x9C),
    ('ž', 0x9E),
    ('Ÿ', 0x9F),
];
/// The Vietnamese letters that UTF-8 writes with two bytes, apart from those of the block Latin
/// Extended Additional, which have three.
const TWO_BYTES: &str = "àáâãèéêìíòóôõùúýÀÁÂÃÈÉÊÌÍÒÓÔÕÙÚÝăĂđĐĩĨũŨơƠưƯ";
/// Number of damaged letters of three bytes from which a text counts as damaged even if it has
/// sound letters.
const CERTAIN: usize = 3;
/// Number of damaged letters from which a text without sound Vietnamese letters counts as damaged.
const ENOUGH: usize = 2;

/// A word of a damaged text, and what it was before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct DamagedWord {
    pub(super) found: String,
    pub(super) was: String,
}

/// The byte that a character was, when a text of bytes was read as Windows-1252 or Latin-1.
fn byte(letter: char) -> Option<u8> {
    let upper = || UPPER.iter().find(|(known, _)| *known == letter).map(|(_, byte)| *byte);
    u8::try_from(u32::from(letter)).ok().or_else(upper)
}

/// Whether a character is one that only Vietnamese has.
fn is_sound(letter: char) -> bool {
    matches!(letter, 'ă' | 'Ă' | 'đ' | 'Đ' | 'ơ' | 'Ơ' | 'ư' | 'Ư' | '\u{1EA0}'..='\u{1EF9}')
}

/// The first damaged word of a text that is certainly damaged. Such a text has several groups of
/// characters that are the bytes of Vietnamese letters, and no sound Vietnamese letters, or very
/// many of these groups.
pub(super) fn find_damage(text: &str) -> Option<DamagedWord> {
    if text.is_ascii() {
        return None;
    }
    let (mut long, mut short, mut sound, mut first) = (0_usize, 0_usize, false, None);
    for (place, letter) in text.char_indices() {
        sound |= is_sound(letter);
        let length = match letter {
            'á' => 3,
            'Ã' | 'Ä' | 'Å' | 'Æ' => 2,
            _ => continue,
        };
        let bytes: Option<Vec<u8>> =
            text.get(place..).unwrap_or_default().chars().take(length).map(byte).collect();
        let was = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(was) = was.and_then(|was| was.chars().next()) else { continue };
        if length == 3 && ('\u{1EA0}'..='\u{1EF9}').contains(&was) {
            long += 1;
        } else if length == 2 && TWO_BYTES.contains(was) {
            short += 1;
        } else {
            continue;
        }
        first = first.or(Some(place));
    }
    let damaged = if sound { long >= CERTAIN } else { long + short >= ENOUGH };
    first.filter(|_| damaged).map(|place| word_at(text, place))
}

/// The word at a place. A blank that is part of a damaged letter ends it.
fn word_at(text: &str, place: usize) -> DamagedWord {
    let ends = |letter: char| letter.is_whitespace();
    let before = text.get(..place).unwrap_or_default();
    let start = before.rfind(ends).map_or(0, |at| {
        at + before.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
    });
    let behind = text.get(place..).unwrap_or_default();
    let end = place + behind.find(ends).unwrap_or(behind.len());
    let found: String = text.get(start..end).unwrap_or_default().chars().take(40).collect();
    let bytes: Option<Vec<u8>> = found.chars().map(byte).collect();
    let was = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    DamagedWord { was: was.unwrap_or_default(), found }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text as it becomes when its UTF-8 is read as Windows-1252, or as Latin-1 where
    /// Windows-1252 has no character.
    fn damaged(text: &str) -> String {
        let letter = |byte: &u8| {
            UPPER.iter().find(|(_, known)| known == byte).map_or(char::from(*byte), |(c, _)| *c)
        };
        text.as_bytes().iter().map(letter).collect()
    }

    #[test]
    fn a_damaged_text_is_found_with_the_word_that_it_was() {
        for text in [
            "Văn bản đi: 316",
            "ĐƠN VỊ BÁO CÁO",
            "Trong tháng tiếp nhận 12 hồ sơ",
            "Số lượng tài khoản",
        ] {
            assert!(find_damage(&damaged(text)).is_some(), "{text}");
            let latin: String = text.bytes().map(char::from).collect();
            assert!(find_damage(&latin).is_some(), "{text}");
        }
        let word = find_damage(&damaged("316 văn bản đi")).unwrap();
        assert_eq!((word.found.as_str(), word.was.as_str()), ("vÄƒn", "văn"));
        // A sound head above a damaged body.
        assert!(
            find_damage(&format!(
                "Báo cáo của đơn vị. {}",
                damaged("bản, hồ sơ tiếp nhận, đã xử lý")
            ))
            .is_some()
        );
    }

    #[test]
    fn sound_texts_are_not_damaged() {
        for text in [
            "Văn bản đi: 316",
            "THỊ XÃ” và THỊ XÃ\u{a0}DUYÊN HẢI, XÃ–PHƯỜNG",
            "«lá»” «má» đó «cá»…",
            "Mot bao cao khong dau 12",
            "Café, Ångström, Ærø, Zürich",
            "XÃ” XÃ",
            "",
        ] {
            assert_eq!(find_damage(text), None, "{text}");
        }
    }
}
