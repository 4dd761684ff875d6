//! MIME.
