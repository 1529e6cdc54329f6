//! The dashboards in `dashboards/`, which the program writes.

use egov_kpi::app::write::catalogue::shipped;
use egov_kpi::dashboards::{DashboardOptions, dashboards};
use kpi::metric::name;

fn written(english: bool) -> Vec<(&'static str, String)> {
    let options = DashboardOptions { english, prometheus_uid: "egov-kpi".to_owned() };
    dashboards(&options).into_iter().map(|(uid, board)| (uid, format!("{board:#}\n"))).collect()
}

#[test]
fn every_dashboard_is_checked_in_in_both_languages() {
    for (english, lang) in [(false, "vi"), (true, "en")] {
        let folder = format!("{}/dashboards/{lang}", env!("CARGO_MANIFEST_DIR"));
        for (uid, text) in written(english) {
            let path = format!("{folder}/{uid}.json");
            assert!(
                std::fs::read_to_string(&path).is_ok_and(|file| file == text),
                "{path} differs: egov-kpi dashboards --infinity --lang {lang} --folder \
                dashboards/{lang}"
            );
        }
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), written(english).len(), "{folder}");
    }
}

#[test]
fn no_dashboard_names_a_measure() {
    let catalogue = shipped().unwrap();
    let indicators = catalogue.indicators.iter().map(|indicator| &indicator.code);
    let codes: Vec<&String> =
        indicators.chain(catalogue.kpis.iter().map(|kpi| &kpi.code)).collect();
    for (uid, text) in written(false).into_iter().chain(written(true)) {
        for code in &codes {
            assert!(!text.contains(code.as_str()), "{uid} names {code}");
            assert!(!text.contains(&name(code, &[])), "{uid} names {code}");
        }
    }
}

#[test]
fn dashboards_in_english_have_no_vietnamese_text() {
    for (uid, text) in written(true) {
        let letters = ['ơ', 'ư', 'đ', 'ă', 'ố', 'ị', 'ệ', 'ạ'];
        assert!(!text.to_lowercase().contains(letters), "{uid}");
    }
}
