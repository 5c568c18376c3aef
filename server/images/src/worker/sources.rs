//! Vendors' files on their way into a tree that is being built: archives are unpacked by the strict
//! extractor, beside the tree; a hook of mmdebstrap's then moves them to their place.

use std::{
    fs::{self, File},
    path::Path,
};

use super::tell;
use crate::{
    recipe::Place,
    report::{Report, SourcePlan},
    unpack::{Bounds, decompress, unpack},
};

/// Most bytes and entries of an unpacked source.
const BOUNDS: Bounds = Bounds { bytes: 8 << 30, entries: 500_000, has_whiteouts: false, parcel: None };

/// Unpacks what is an archive into `scratch`, and gives the commands that put all in place, with the tree as `$1`.
pub(super) fn prepare(sources: &[SourcePlan], work: &Path, scratch: &Path) -> Result<Vec<String>, String> {
    sources.iter().enumerate().map(|(number, source)| prepare_one(number, source, work, scratch)).collect()
}

fn prepare_one(number: usize, source: &SourcePlan, work: &Path, scratch: &Path) -> Result<String, String> {
    let data = work.join(&source.data);
    let failed = |e: &dyn std::fmt::Display| format!("cannot unpack {}: {e}", source.data);
    match &source.place {
        // The path is plain: recipes with another one are refused when they are read.
        Place::Program(path) => Ok(format!("install -D -m 755 {} \"$1{path}\"", data.display())),
        Place::Folder(path, strip) => {
            tell(&Report::Line(format!("unpacks to {path}")));
            let folder = scratch.join(format!("source-{number}"));
            fs::create_dir(&folder).map_err(|e| failed(&e))?;
            let tree = File::open(&folder).map_err(|e| failed(&e))?;
            let stream = File::open(&data).and_then(decompress).map_err(|e| failed(&e))?;
            let bounds = Bounds { parcel: Some(*strip), ..BOUNDS };
            unpack(stream, tree.into(), bounds, &mut |_| {}).map_err(|e| failed(&model::error_chain(&e)))?;
            let is_empty = fs::read_dir(&folder).map_err(|e| failed(&e))?.next().is_none();
            if is_empty {
                return Err(format!(
                    "{} holds nothing below {strip} folder(s): look at `strip`",
                    source.data
                ));
            }
            // Never into a folder that is there: what is in it would be neither the one nor the other.
            Ok(format!("mkdir -p \"$1$(dirname {path})\" && mv -T {} \"$1{path}\"", folder.display()))
        }
    }
}
