//! Splits the instructions of a page into pieces that are decoded one after the other, so that only
//! a few thousand instructions are in memory at once.

use crate::limits;

/// The pieces of a page's instructions. Each has whole instructions; a piece exceeds the limit only
/// if a single instruction does.
pub(super) fn stretches(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = content;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (stretch, behind) = rest.split_at_checked(end(rest)).unwrap_or((rest, &[]));
        rest = behind;
        Some(stretch)
    })
}

/// The end of the first piece: after the last operator before the limit, or after the first
/// operator.
fn end(content: &[u8]) -> usize {
    let (mut at, mut depth, mut last) = (0, 0_usize, 0);
    while let Some(byte) = content.get(at) {
        if last > 0 && at > limits::PDF_INSTRUCTION_BYTES {
            return last;
        }
        let rest = content.get(at..).unwrap_or_default();
        match byte {
            b'%' => {
                at +=
                    rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len())
            }
            b'(' => at += string(rest),
            b'<' if rest.starts_with(b"<<") => (depth, at) = (depth + 1, at + 2),
            b'>' if rest.starts_with(b">>") => (depth, at) = (depth.saturating_sub(1), at + 2),
            b'<' => {
                at += rest.iter().position(|byte| *byte == b'>').map_or(rest.len(), |end| end + 1)
            }
            b'[' => (depth, at) = (depth + 1, at + 1),
            b']' => (depth, at) = (depth.saturating_sub(1), at + 1),
            byte if *byte != b'/' && is_delimiter(*byte) => at += 1,
            _ => {
                let word = rest
                    .iter()
                    .skip(1)
                    .position(|byte| is_delimiter(*byte))
                    .map_or(rest.len(), |end| end + 1);
                let letters = rest.get(..word).unwrap_or_default();
                at += word;
                if letters == b"BI" && depth == 0 {
                    at += picture(content.get(at..).unwrap_or_default());
                    last = at;
                } else if depth == 0 && is_operator(letters) {
                    last = at;
                }
            }
        }
    }
    content.len()
}

fn is_delimiter(byte: u8) -> bool {
    byte.is_ascii_whitespace()
        || matches!(byte, 0 | b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

fn is_operator(word: &[u8]) -> bool {
    let letters = word
        .first()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'*' | b'\'' | b'"'));
    letters && !matches!(word, b"true" | b"false" | b"null")
}

/// The length of a string in parentheses, in bytes.
fn string(bytes: &[u8]) -> usize {
    let (mut depth, mut escaped) = (0_usize, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' if depth <= 1 => return at + 1,
            b')' => depth -= 1,
            _ => {}
        }
    }
    bytes.len()
}

/// The length of an inline picture, in bytes after its `BI`.
fn picture(bytes: &[u8]) -> usize {
    let ends = |window: &[u8]| {
        matches!(window, [before, b'E', b'I', after]
            if before.is_ascii_whitespace() && after.is_ascii_whitespace())
    };
    bytes.windows(4).position(ends).map_or(bytes.len(), |at| at + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_all_instructions_and_end_after_operators() {
        let line =
            b"q 1 0 0 1 5.5 -7 cm BT /F1 12 Tf (a \\) Tj ( b) c) Tj [(x) -3 <414 2> ] TJ /P \
             <</MCID 0 /ActualText (q Q)>> BDC EMC ET % q Q\nQ\n"
                .as_slice();
        let content = line.repeat(2_000);
        let found: Vec<&[u8]> = stretches(&content).collect();
        assert_eq!(found.concat(), content);
        assert!(
            found.len() > 10
                && found
                    .iter()
                    .all(|stretch| stretch.len() <= limits::PDF_INSTRUCTION_BYTES + line.len())
        );
        let whole = lopdf::content::Content::decode(&content).unwrap().operations;
        let parts: Vec<_> = found
            .iter()
            .flat_map(|stretch| lopdf::content::Content::decode(stretch).unwrap().operations)
            .collect();
        assert_eq!(format!("{parts:?}"), format!("{whole:?}"));
    }

    #[test]
    fn strings_and_inline_images_are_not_split() {
        let long = limits::PDF_INSTRUCTION_BYTES * 3;
        for one in [
            [b"(".as_slice(), &b"q ".repeat(long), b") Tj "].concat(),
            [b"[".as_slice(), &b"(q) 1 ".repeat(long), b"] TJ "].concat(),
            [b"BI /W 1 ID ".as_slice(), &b"q Q ".repeat(long), b"\nEI "].concat(),
            [b"<".as_slice(), &b"41".repeat(long), b"> Tj "].concat(),
        ] {
            let content = [b"q ".as_slice(), &one, b"Q"].concat();
            let found: Vec<&[u8]> = stretches(&content).collect();
            assert_eq!(found.concat(), content);
            assert!(found.iter().any(|stretch| stretch.len() >= one.len() - 1), "{}", found.len());
        }
        for broken in ["(", "<", "[", "BI", "%", "<<", "((", "\\", ")", "]", ">>"] {
            assert_eq!(
                stretches(broken.as_bytes()).collect::<Vec<_>>().concat(),
                broken.as_bytes()
            );
        }
        let many = b"q ".repeat(1_000_000);
        assert!(stretches(&many).all(|stretch| stretch.len() <= limits::PDF_INSTRUCTION_BYTES + 2));
    }
}
