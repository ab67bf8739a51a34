//! As a visitor meets it.
