//! Any bytes as plain text and as Markdown.
#![no_main]

use documents::{MediaType, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for media in [MediaType::Text, MediaType::Markdown] {
        if let Ok(document) = read(bytes, media) {
            assert!(
                document
                    .blocks
                    .iter()
                    .all(|block| document.text.get(block.range.clone()).is_some())
            );
            assert_eq!(read(document.text.as_bytes(), media), Ok(document));
        }
    }
});
