//! What is running here.

use poem_openapi::Object;

/// Clients look at `version` to tell that a compatible server answers.
#[derive(Clone, Debug, Object)]
pub struct Service {
    pub version: String,
    pub timestamp: String,
    pub queue_services: String,
    pub data_services: String,
}

/// A sentence about what was done.
#[derive(Clone, Debug, Object)]
pub struct Done {
    pub message: String,
}
