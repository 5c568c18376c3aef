//! A failed step of a launch: which step, which errno, what about.

use protocol::shim::LaunchFailure;

/// What failed. Made without allocating where `detail` is empty.
#[derive(Debug)]
pub(crate) struct Failure {
    step: std::borrow::Cow<'static, str>,
    errno: i32,
    detail: String,
}

impl Failure {
    /// A failure without an errno.
    pub(crate) fn plain(step: &'static str) -> Self {
        Self { step: step.into(), errno: 0, detail: String::new() }
    }

    /// From the bytes that a child sent: errno, then the step.
    pub(crate) fn from_child(bytes: &[u8]) -> Self {
        let (errno, step) = bytes.split_first_chunk::<4>().unwrap_or((&[0; 4], b"prepare init"));
        let step = String::from_utf8_lossy(step).into_owned();
        Self { step: step.into(), errno: i32::from_ne_bytes(*errno), detail: String::new() }
    }

    /// With more for the operator.
    pub(crate) fn with(mut self, detail: String) -> Self {
        self.detail = detail;
        self
    }

    /// The step's name.
    pub(crate) fn step(&self) -> &str {
        &self.step
    }

    /// The errno, 0 when there is none.
    pub(crate) fn errno(&self) -> i32 {
        self.errno
    }
}

impl From<Failure> for LaunchFailure {
    fn from(f: Failure) -> Self {
        Self { step: f.step.into_owned(), errno: f.errno, detail: f.detail }
    }
}

/// Names the step that an error belongs to.
pub(crate) trait At<T> {
    /// The error becomes a failure of `step`.
    fn at(self, step: &'static str) -> Result<T, Failure>;
}

impl<T, E: Into<std::io::Error>> At<T> for Result<T, E> {
    fn at(self, step: &'static str) -> Result<T, Failure> {
        self.map_err(|e| {
            let error: std::io::Error = e.into();
            Failure { step: step.into(), errno: error.raw_os_error().unwrap_or(0), detail: String::new() }
        })
    }
}
