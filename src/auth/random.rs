//! Random bytes for keys, tokens and cookies.

use crate::error::Error;

/// Random bytes of the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::environment("the system provides no random bytes")(std::io::Error::other(error))
    })?;
    Ok(bytes)
}
