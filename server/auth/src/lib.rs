//! Password hashing, setup code, session tokens in the ticket form.
