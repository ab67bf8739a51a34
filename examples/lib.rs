//! The examples are the files of this folder.
