//! The server commands: they open the parts, run them side by side and end them together.
