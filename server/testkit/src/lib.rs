//! Truthful fakes and the test harness; never linked into the product.
