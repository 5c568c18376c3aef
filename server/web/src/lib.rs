//! Pages, event streams, console bridge; sees the engine through its socket only.
