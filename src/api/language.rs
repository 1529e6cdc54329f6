//! The language of a response: from `lang=`, otherwise from `Accept-Language` with its weights.

use actix_web::http::header::{ACCEPT_LANGUAGE, HeaderMap};

tokio::task_local! {
    static CURRENT: ResponseLanguage;
}

/// A language of the service.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ResponseLanguage {
    /// English, the default.
    #[default]
    En,
    /// Vietnamese.
    Vi,
}

impl ResponseLanguage {
    /// The names in `lang=`.
    pub const NAMES: [&'static str; 2] = ["vi", "en"];

    /// The name in `lang=` and in entity tags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Vi => "vi",
        }
    }

    /// The language that a request asks for.
    #[must_use]
    pub fn of(query: &str, headers: &HeaderMap) -> Self {
        let named = query.split('&').find_map(|pair| pair.strip_prefix("lang="));
        match named {
            Some("vi") => Self::Vi,
            Some("en") => Self::En,
            _ => {
                let texts = headers.get_all(ACCEPT_LANGUAGE).filter_map(|text| text.to_str().ok());
                Self::preferred(&texts.collect::<Vec<_>>().join(","))
            }
        }
    }

    /// The language of a file for people: as for messages, but Vietnamese when the request names no
    /// language.
    #[must_use]
    pub fn of_file(query: &str, headers: &HeaderMap) -> Self {
        match Self::of(query, headers) {
            Self::En if query.split('&').any(|pair| pair == "lang=en") => Self::En,
            Self::En if headers.contains_key(ACCEPT_LANGUAGE) => Self::En,
            Self::En | Self::Vi => Self::Vi,
        }
    }

    /// The language that `Accept-Language` prefers: that with the greatest weight; of several, the
    /// first.
    fn preferred(header: &str) -> Self {
        let mut best = (0.0, Self::En);
        for entry in header.split(',') {
            let mut parts = entry.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default();
            let primary = tag.split('-').next().unwrap_or_default();
            let language = if primary.eq_ignore_ascii_case("vi") {
                Self::Vi
            } else if primary.eq_ignore_ascii_case("en") {
                Self::En
            } else {
                continue;
            };
            let weight = parts.find_map(|part| {
                let (name, weight) = part.split_once('=')?;
                name.trim().eq_ignore_ascii_case("q").then(|| weight.trim().parse::<f64>().ok())
            });
            let weight = weight.flatten().unwrap_or(1.0).clamp(0.0, 1.0);
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }

    /// The language of the current request; English outside of one.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.try_with(|language| *language).unwrap_or_default()
    }

    /// Runs the handling of a request in this language.
    pub async fn run<T>(self, handling: impl Future<Output = T>) -> T {
        CURRENT.scope(self, handling).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_decide_between_the_languages() {
        for (header, language) in [
            ("", ResponseLanguage::En),
            ("vi", ResponseLanguage::Vi),
            ("vi-VN,vi;q=0.9,en;q=0.8", ResponseLanguage::Vi),
            ("en;q=0.4, vi;q=0.5", ResponseLanguage::Vi),
            ("en, vi", ResponseLanguage::En),
            ("fr, VI;q=0.1", ResponseLanguage::Vi),
            ("vi;q=0, en;q=0.1", ResponseLanguage::En),
            ("vi;q=0", ResponseLanguage::En),
            ("*", ResponseLanguage::En),
            ("en;Q=0.2,vi ; q=0.3", ResponseLanguage::Vi),
            ("vietnam", ResponseLanguage::En),
        ] {
            assert_eq!(ResponseLanguage::preferred(header), language, "{header}");
        }
    }

    #[test]
    fn the_parameter_counts_before_the_header() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, "vi".parse().unwrap());
        assert_eq!(ResponseLanguage::of("a=1&lang=en", &headers), ResponseLanguage::En);
        assert_eq!(ResponseLanguage::of("lang=fr", &headers), ResponseLanguage::Vi);
        assert_eq!(ResponseLanguage::of("lang=vi", &HeaderMap::new()), ResponseLanguage::Vi);
    }

    #[test]
    fn a_file_is_vietnamese_unless_the_request_names_english() {
        let (mut english, none) = (HeaderMap::new(), HeaderMap::new());
        english.insert(ACCEPT_LANGUAGE, "en-GB".parse().unwrap());
        assert_eq!(ResponseLanguage::of_file("", &none), ResponseLanguage::Vi);
        assert_eq!(ResponseLanguage::of_file("a=1&lang=en", &none), ResponseLanguage::En);
        assert_eq!(ResponseLanguage::of_file("", &english), ResponseLanguage::En);
        assert_eq!(ResponseLanguage::of_file("lang=vi", &english), ResponseLanguage::Vi);
    }
}
