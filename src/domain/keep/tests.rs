//! What is due when, and what follows from it.
