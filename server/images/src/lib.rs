//! Templates and images: recipes, build, import, verify, safe unpack, layers.
