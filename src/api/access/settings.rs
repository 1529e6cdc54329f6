//! The settings of authentication and authorization.

use super::proxy::TrustedProxies;
use super::table::RouteArea;
use crate::app::App;
use crate::auth::api_keys::SetupToken;
use crate::auth::oidc::{BrowserSignOn, TokenVerifier};

/// What is allowed on this machine until the first key exists.
#[derive(Clone, Debug, Default)]
pub enum BeforeFirstKey {
    /// Everything, for everybody: the demo.
    #[default]
    Everything,
    /// Reading; everything else needs the one-time token. A proxy on this machine forwards requests
    /// from anywhere, and not every proxy marks them as forwarded.
    Reading(SetupToken),
}

/// The settings of authentication and authorization.
#[derive(Clone, Debug)]
pub struct AccessSettings {
    /// Areas that need no key even if keys exist.
    pub open: Vec<RouteArea>,
    /// Origins of other web sites that may read in scripts what is open; `*` stands for all.
    pub cors: Vec<String>,
    /// Whether the service only listens on the loopback interface.
    pub loopback: bool,
    /// What is allowed without a key on this machine until the first key exists.
    pub before_first_key: BeforeFirstKey,
    /// The trusted proxies, and the header that they set.
    pub forwarding: TrustedProxies,
    /// Single sign-on: tokens of programs and sessions.
    pub tokens: Option<TokenVerifier>,
    /// Single sign-on on the web pages.
    pub sign_on: Option<BrowserSignOn>,
}

impl Default for AccessSettings {
    /// For a service on this machine: once keys exist, only the API description is open.
    fn default() -> Self {
        Self {
            open: vec![RouteArea::Docs],
            cors: Vec::new(),
            loopback: true,
            before_first_key: BeforeFirstKey::Everything,
            forwarding: TrustedProxies::default(),
            tokens: None,
            sign_on: None,
        }
    }
}

impl AccessSettings {
    /// Whether this is a loopback service without any key and without single sign-on.
    pub(super) fn has_no_key_yet(&self, app: &App) -> bool {
        self.loopback && self.tokens.is_none() && app.api_keys().is_empty()
    }
}
