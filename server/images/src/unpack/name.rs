//! Names from an archive: the only place where their bytes become a path.

use std::ffi::CString;

use super::Refusal;

const PATH_MAX: usize = 4096;
const COMPONENT_MAX: usize = 255;
const DEPTH_MAX: usize = 128;

/// A checked name: components without `.`, `..`, NUL or slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    components: Vec<CString>,
    shown: String,
}

impl Name {
    /// Checks the bytes of a name. The folder itself (`./`) has no component.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let shown = shown(bytes);
        if bytes.first() == Some(&b'/') {
            return Err(Refusal::Absolute(shown));
        }
        if bytes.is_empty() || bytes.len() > PATH_MAX {
            return Err(Refusal::Name(shown));
        }
        let mut components = Vec::new();
        for part in bytes.split(|b| *b == b'/').filter(|p| !p.is_empty() && *p != b".") {
            if part == b".." {
                return Err(Refusal::DotDot(shown));
            }
            if part.len() > COMPONENT_MAX {
                return Err(Refusal::Name(shown));
            }
            components.push(CString::new(part).map_err(|_| Refusal::Name(shown.clone()))?);
        }
        if components.len() > DEPTH_MAX {
            return Err(Refusal::Name(shown));
        }
        Ok(Self { components, shown })
    }

    /// Parents and the last component; `None` for the folder itself.
    pub(super) fn split(&self) -> Option<(&[CString], &CString)> {
        self.components.split_last().map(|(last, parents)| (parents, last))
    }

    /// Without its first folders; `None` when nothing is left.
    pub(super) fn without(mut self, folders: usize) -> Option<Self> {
        if self.components.len() <= folders {
            return None;
        }
        self.components.drain(..folders);
        Some(self)
    }

    /// Whether it lies in the top folder `dev`.
    pub(super) fn is_below_dev(&self) -> bool {
        self.components.len() > 1 && self.components.first().is_some_and(|c| c.as_bytes() == b"dev")
    }

    /// Whether it is an OCI deletion mark.
    pub(super) fn is_whiteout(&self) -> bool {
        self.components.last().is_some_and(|c| c.as_bytes().starts_with(b".wh."))
    }

    /// For messages, shortened.
    pub(super) fn shown(&self) -> String {
        self.shown.clone()
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_are_refused() {
        assert!(matches!(Name::parse(b"/etc/passwd"), Err(Refusal::Absolute(_))));
        for bad in [&b"../x"[..], b"a/../../x", b"a/..", b".."] {
            assert!(matches!(Name::parse(bad), Err(Refusal::DotDot(_))), "{bad:?}");
        }
        let long = vec![b'a'; 256];
        let deep = b"a/".repeat(129);
        for bad in [&b""[..], b"a\0b", &long, &deep, &vec![b'a'; 5000]] {
            assert!(matches!(Name::parse(bad), Err(Refusal::Name(_))));
        }
    }

    #[test]
    fn plain_names_lose_their_dots() {
        let name = Name::parse(b"./usr//bin/./ls").unwrap();
        let (parents, last) = name.split().unwrap();
        assert_eq!((parents.len(), last.as_bytes()), (2, &b"ls"[..]));
        assert!(Name::parse(b"./").unwrap().split().is_none());
        let short = Name::parse(b"joomla/a/b").unwrap().without(1).unwrap();
        assert_eq!(short.split().unwrap().0, [c"a".to_owned()]);
        assert!(Name::parse(b"joomla/").unwrap().without(1).is_none());
        assert!(Name::parse(b"dev/null").unwrap().is_below_dev());
        assert!(!Name::parse(b"etc/dev").unwrap().is_below_dev());
    }
}
