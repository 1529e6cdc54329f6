//! Any bytes as a catalogue in JSON or TOML: alone, and added to the shipped catalogue, so that the
//! names that it uses exist.
#![no_main]

use std::sync::LazyLock;

use egov_kpi::app::write::catalogue::shipped;
use kpi::catalogue::{Catalogue, CatalogueDocument};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static SHIPPED: LazyLock<CatalogueDocument> = LazyLock::new(|| shipped().unwrap());

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for value in [serde_json::from_str::<Value>(text).ok(), toml::from_str::<Value>(text).ok()]
        .into_iter()
        .flatten()
    {
        let Ok(document) = CatalogueDocument::from_value(value) else { continue };
        let mut together = SHIPPED.clone();
        together.append(document.clone());
        for document in [document, together] {
            match Catalogue::new_submitted(document) {
                Err(faults) => assert!(!faults.is_empty()),
                // An accepted catalogue is written as in a response, accepted again, and is then
                // equal.
                Ok(catalogue) => {
                    let answered = CatalogueDocument::from_value(
                        serde_json::to_value(&catalogue.document).unwrap(),
                    )
                    .unwrap();
                    assert_eq!(answered, catalogue.document);
                    Catalogue::new_submitted(answered).unwrap();
                }
            }
        }
    }
});
