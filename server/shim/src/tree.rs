//! The container's tree: an overlay over id-mapped layers, in a mount namespace of the shim's own.
//!
//! Mounted once in the shim's life; init is cloned with the tree as current folder. Nothing is chowned.
//! See `linux::overlay` for what the kernel insists on.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use linux::{idmap, mount, namespaces, overlay, process::SingleThreaded};
use protocol::shim::ShimPlan;
use rustix::{
    fs::{CWD, Mode, OFlags},
    mount::MountAttrFlags,
};

use crate::failure::{At, Failure};

/// The mounted tree.
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
}

/// Mounts the tree of a plan.
pub(crate) fn mount(proof: SingleThreaded, plan: &ShimPlan) -> Result<Tree, Failure> {
    namespaces::unshare_mounts().at("make a mount namespace")?;
    mount::make_root_slave().at("separate mounts from the host")?;
    let ids = idmap::user_namespace(proof, &plan.id_map.map_line()).at("make the id map")?;
    let layers = plan.layers.iter().map(|path| mapped(path, &ids)).collect::<Result<Vec<_>, _>>()?;
    for layer in &layers {
        idmap::make_tree_read_only(layer.as_fd()).at("make a layer read-only")?;
    }
    let own = mapped(&plan.own_layer, &ids)?;
    enter_scratch(&plan.own_layer)?;
    let mut names = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let name = format!("l{number}");
        attach(layer, &name)?;
        names.push(name);
    }
    attach(&own, "rw")?;
    rustix::fs::mkdirat(CWD, c"root", Mode::from_raw_mode(0o755)).at("make the mount point")?;
    overlay::mount(&names, "rw", Path::new("root"), plan.id_map.base().0).at("mount the overlay")?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, c"root", flags, Mode::empty()).at("open the tree")?;
    Ok(Tree { root })
}

impl Tree {
    /// Makes the tree the current folder, so that a child begins in it.
    pub(crate) fn enter(&self) -> Result<(), Failure> {
        rustix::process::fchdir(&self.root).at("enter the tree")
    }
}

fn mapped(path: &Path, ids: &OwnedFd) -> Result<OwnedFd, Failure> {
    let named = |f: Failure| f.with(path.display().to_string());
    let tree = mount::copy_tree(CWD, path).at("open a layer").map_err(named)?;
    idmap::map_tree(tree.as_fd(), ids.as_fd()).at("map the ids of a layer").map_err(named)?;
    Ok(tree)
}

/// An empty tmpfs over the folder that holds the own layer: nobody else sees it, and short relative
/// names keep odd characters of the data folder's path out of the overlay's options.
fn enter_scratch(own_layer: &Path) -> Result<(), Failure> {
    let folder = own_layer.parent().ok_or_else(|| Failure::plain("find the container's folder"))?;
    let scratch =
        mount::new_filesystem(c"tmpfs", &[(c"mode", c"755"), (c"size", c"64k")], MountAttrFlags::empty())
            .at("make a scratch folder")?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let target = rustix::fs::openat(CWD, folder, flags, Mode::empty()).at("open the container's folder")?;
    mount::attach(scratch.as_fd(), target.as_fd()).at("attach the scratch folder")?;
    rustix::process::fchdir(&scratch).at("enter the scratch folder")
}

fn attach(tree: &OwnedFd, name: &str) -> Result<(), Failure> {
    rustix::fs::mkdirat(CWD, name, Mode::from_raw_mode(0o755)).at("make a layer's mount point")?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let target = rustix::fs::openat(CWD, name, flags, Mode::empty()).at("open a layer's mount point")?;
    mount::attach(tree.as_fd(), target.as_fd()).at("attach a layer")
}
