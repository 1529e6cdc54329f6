//! Numbers and bullets before rows of a table and items of a list.

/// The number or bullet before a row or list item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowMarker {
    /// No number or bullet.
    None,
    /// `I.`, `IV)`.
    Roman,
    /// `A.`.
    Capital,
    /// `1.`, `1.2`, with the count of numbers.
    Number(usize),
    /// `a)`.
    Letter,
    /// `-`.
    Dash,
    /// `+`.
    Plus,
    /// `•`, `*`.
    Bullet,
}

/// The number or bullet at the beginning of a label, and the rest of the label.
#[must_use]
pub fn split_marker(text: &str) -> (RowMarker, &str) {
    let text = text.trim();
    let mut letters = text.chars();
    let sign = match letters.next() {
        Some('-' | '–' | '—') => Some(RowMarker::Dash),
        Some('+') => Some(RowMarker::Plus),
        Some('•' | '*' | '·' | '▪' | '●') => Some(RowMarker::Bullet),
        _ => None,
    };
    if let Some(sign) = sign {
        return (sign, letters.as_str().trim());
    }
    let open = text.strip_prefix('(').unwrap_or(text);
    let digits = open.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(open.len());
    let (head, tail) =
        (open.get(..digits).unwrap_or_default(), open.get(digits..).unwrap_or_default());
    let (core, closed) = (head.strip_suffix('.').unwrap_or(head), tail.strip_prefix([')', ':']));
    if !core.is_empty() {
        let short = core.split('.').all(|part| (1..=2).contains(&part.len()));
        let ends = closed.is_some() || head.contains('.');
        return if short && ends {
            (RowMarker::Number(core.split('.').count()), closed.unwrap_or(tail).trim())
        } else {
            (RowMarker::None, text)
        };
    }
    let Some((core, tail)) = open.split_once(['.', ')', '/', ':']) else {
        return (RowMarker::None, text);
    };
    let marker = if !core.is_empty()
        && core.len() <= 5
        && core.chars().all(|c| matches!(c, 'I' | 'V' | 'X'))
    {
        RowMarker::Roman
    } else if core.chars().count() == 1 && core.chars().all(char::is_alphabetic) {
        if core.chars().all(char::is_uppercase) { RowMarker::Capital } else { RowMarker::Letter }
    } else {
        return (RowMarker::None, text);
    };
    (marker, tail.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_markers_are_separated_from_labels() {
        let of = |text: &'static str| split_marker(text);
        assert_eq!(of("1.Số tài khoản"), (RowMarker::Number(1), "Số tài khoản"));
        assert_eq!(of("1.2 Số tài khoản"), (RowMarker::Number(2), "Số tài khoản"));
        assert_eq!(of("II. Hệ thống"), (RowMarker::Roman, "Hệ thống"));
        assert_eq!(of("a) Trực tiếp"), (RowMarker::Letter, "Trực tiếp"));
        assert_eq!(of("– Trực tiếp"), (RowMarker::Dash, "Trực tiếp"));
        assert_eq!(of("10/2021"), (RowMarker::None, "10/2021"));
        assert_eq!(of("2.312 chứng thư"), (RowMarker::None, "2.312 chứng thư"));
        assert_eq!(of("Văn bản đi"), (RowMarker::None, "Văn bản đi"));
    }
}
