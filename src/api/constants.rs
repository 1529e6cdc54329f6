//! Values that several files of the API share.

/// Maximum length of a request body after decompression, in bytes.
pub const MAX_BODY: usize = 32 << 20;

/// Maximum length of a PromQL form, in bytes.
pub const MAX_FORM: usize = 1 << 20;

/// The path prefix of the API.
pub const API: &str = "/api/v1";
