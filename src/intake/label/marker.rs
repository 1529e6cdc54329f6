//! What numbers a row of a table or begins an entry of a list.

/// What numbers a row or begins an entry of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Marker {
    /// Nothing of the kind.
    None,
    /// `I.`, `IV)`.
    Roman,
    /// `A.`.
    Capital,
    /// `1.`, `1.2`; how many numbers.
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

/// The marker at the beginning of a label, and the label behind it.
#[must_use]
pub fn numbered(text: &str) -> (Marker, &str) {
    let text = text.trim();
    let mut letters = text.chars();
    let sign = match letters.next() {
        Some('-' | '–' | '—') => Some(Marker::Dash),
        Some('+') => Some(Marker::Plus),
        Some('•' | '*' | '·' | '▪' | '●') => Some(Marker::Bullet),
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
            (Marker::Number(core.split('.').count()), closed.unwrap_or(tail).trim())
        } else {
            (Marker::None, text)
        };
    }
    let Some((core, tail)) = open.split_once(['.', ')', '/', ':']) else {
        return (Marker::None, text);
    };
    let marker = if !core.is_empty()
        && core.len() <= 5
        && core.chars().all(|c| matches!(c, 'I' | 'V' | 'X'))
    {
        Marker::Roman
    } else if core.chars().count() == 1 && core.chars().all(char::is_alphabetic) {
        if core.chars().all(char::is_uppercase) { Marker::Capital } else { Marker::Letter }
    } else {
        return (Marker::None, text);
    };
    (marker, tail.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_told_from_labels() {
        let of = |text: &'static str| numbered(text);
        assert_eq!(of("1.Số tài khoản"), (Marker::Number(1), "Số tài khoản"));
        assert_eq!(of("1.2 Số tài khoản"), (Marker::Number(2), "Số tài khoản"));
        assert_eq!(of("II. Hệ thống"), (Marker::Roman, "Hệ thống"));
        assert_eq!(of("a) Trực tiếp"), (Marker::Letter, "Trực tiếp"));
        assert_eq!(of("– Trực tiếp"), (Marker::Dash, "Trực tiếp"));
        assert_eq!(of("10/2021"), (Marker::None, "10/2021"));
        assert_eq!(of("2.312 chứng thư"), (Marker::None, "2.312 chứng thư"));
        assert_eq!(of("Văn bản đi"), (Marker::None, "Văn bản đi"));
    }
}
