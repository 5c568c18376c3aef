//! Putting settings into a container that does not run.

use protocol::shim::{Injection, LaunchReport, ShimTask};

use super::{ContainerPlan, start::StartError};
use crate::{Runtime, shims::SpawnError};

impl Runtime {
    /// Applies the settings from inside the container's namespaces.
    ///
    /// # Errors
    /// [`StartError`] names the step.
    pub fn inject(&self, plan: &ContainerPlan, injections: Vec<Injection>) -> Result<(), StartError> {
        match self.spawn_shim(plan.vmid, &ShimTask::Inject(self.shim_plan(plan), injections))? {
            LaunchReport::Injected => Ok(()),
            LaunchReport::Failed(failure) => Err(StartError::Launch(failure)),
            LaunchReport::Launched(_) => Err(SpawnError::Died.into()),
        }
    }
}
