//! Writer and reader agree, and neither trusts its input.
