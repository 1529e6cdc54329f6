//! The route of a request: found once, and kept with the request.

use std::borrow::Cow;

use actix_web::dev::ServiceRequest;

use super::access::table;

/// The route of a request, as the router names it: the path with its parameters in braces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestRoute(pub Cow<'static, str>);

impl RequestRoute {
    /// Finds the route. The router decodes percent-encoding first. When the decoded form of a path
    /// has another route than the raw form, or only the decoded form has a route, the path is
    /// treated as unknown, so that encoding cannot bypass a check.
    #[must_use]
    pub fn of(request: &ServiceRequest) -> Option<Self> {
        let path = request.match_info().as_str();
        // Matching takes longer than some responses. A path without parameters that is listed is
        // its own route (a test of the table shows that no other route has it).
        if let Some(listed) = table::fixed_path(path).filter(|_| path == request.uri().path()) {
            return Some(Self(listed.into()));
        }
        let pattern = request.match_pattern()?;
        let decoded = request.resource_map().match_pattern(path);
        (decoded.as_ref() == Some(&pattern)).then(|| Self(pattern.into()))
    }
}
