//! To be written (app B).
