//! Work that breaks down whenever it is tried, or cannot be read, ends where people see it: each kind of work in its own way.

mod endings;
mod subjects;
