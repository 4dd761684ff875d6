//! The jobs: one file each, each calling one use case. The name is the owed kind's code; the payload stands in the row.

pub mod deliver_message;
pub mod import_window;
pub mod ingest_raw_email;
pub mod prove_connection;
pub mod reconcile_delivery;

use std::time::Duration;
use store::OwedKind;

/// How long a claim holds. A worker that dies keeps others waiting for no longer; a job that needs longer extends it.
pub const fn lease(kind: OwedKind) -> Duration {
    match kind {
        OwedKind::DeliverMessage => deliver_message::LEASE,
        OwedKind::IngestRawEmail => ingest_raw_email::LEASE,
        OwedKind::ProveConnection => prove_connection::LEASE,
        OwedKind::ImportWindow => import_window::LEASE,
        OwedKind::ReconcileDelivery => reconcile_delivery::LEASE,
    }
}
