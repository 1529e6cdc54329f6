//! Two servers on one ledger: what one has answered, the other knows of.

use std::ops::Deref;

use egov_kpi::server::Running;

use crate::harness::{Api, Server, serve};

/// A second server in this process over the ledger of the first.
pub struct Other {
    running: Option<Running>,
    api: Api,
}

impl Other {
    pub fn beside(server: &Server) -> Self {
        let running = serve(&server.address());
        let api = Api::of(&running.address.to_string());
        Self { running: Some(running), api }
    }
}

impl Deref for Other {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}
