//! Whether a file is signed by the key it should be: asked of a confined worker.

use std::{path::Path, sync::atomic::AtomicBool};

use serde::{Deserialize, Serialize};

use crate::{import::ImageStore, process::WorkerError};

/// What a worker is to verify: names of files in its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignaturePlan {
    /// The file.
    pub data: String,
    /// Its detached signature.
    pub signature: String,
    /// A public key, binary or armoured, from anywhere.
    pub key: String,
    /// The fingerprint that makes it the right one: 40 capital hex digits.
    pub fingerprint: String,
}

impl ImageStore {
    /// Verifies a detached OpenPGP signature over files that lie in `folder`.
    ///
    /// # Errors
    /// [`WorkerError::Failed`] says in a sentence that it is not signed so.
    pub fn verify_signature(
        &self,
        folder: &Path,
        plan: &SignaturePlan,
        is_cancelled: &AtomicBool,
    ) -> Result<(), WorkerError> {
        self.run_worker("signature", folder, plan, is_cancelled, &mut |_| {})
    }
}
