//! What goes wrong in an engine, at load and at inference.
