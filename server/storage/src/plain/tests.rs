//! The driver on a real file system. Needs no root: nothing changes an owner.

use super::*;
use std::os::unix::fs::{MetadataExt, symlink};

fn pool() -> (tempfile::TempDir, PathBuf, Plain) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    crate::prepare_data_dir(&data).unwrap();
    let pool = Plain::new(&data);
    (dir, data, pool)
}

fn vmid(n: u32) -> Vmid {
    n.try_into().unwrap()
}

fn count(path: &Path) -> usize {
    fs::read_dir(path).unwrap().count()
}

/// Everything below a folder that is no folder.
fn files(path: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(path).unwrap().map(|e| e.unwrap().path());
    paths.flat_map(|p| if p.is_symlink() || !p.is_dir() { vec![p] } else { files(&p) }).collect()
}

#[test]
fn a_new_layer_is_folders_and_no_file() {
    let (_dir, data, pool) = pool();
    let own = pool.create(vmid(100)).unwrap();
    assert_eq!((&own, &pool.own_layer(vmid(100))), (&data.join("containers/100/rw"), &own));
    assert_eq!(files(&data), [] as [PathBuf; 0]);
    let owner = fs::metadata(&data).unwrap().uid();
    let seen = ["", "..", "upper", "work"].map(|part| {
        let metadata = fs::metadata(own.join(part)).unwrap();
        assert_eq!(metadata.uid(), owner, "{part}");
        metadata.mode() & 0o7777
    });
    assert_eq!(seen, [0o755, 0o700, 0o755, 0o755]);
    assert_eq!(count(&own), 2);
}

#[test]
fn creating_again_keeps_what_is_there() {
    let (_dir, data, pool) = pool();
    let own = pool.create(vmid(100)).unwrap();
    fs::write(own.join("upper/file"), "x").unwrap();
    assert_eq!(pool.create(vmid(100)).unwrap(), own);
    assert!(own.join("upper/file").exists());
    assert_eq!(count(&data.join("trash")), 0);
}

#[test]
fn destroying_leaves_nothing_and_follows_nothing() {
    let (dir, data, pool) = pool();
    let own = pool.create(vmid(100)).unwrap();
    pool.create(vmid(101)).unwrap();
    fs::write(dir.path().join("precious"), "x").unwrap();
    symlink(dir.path(), own.join("upper/out")).unwrap();
    fs::hard_link(dir.path().join("precious"), own.join("upper/same")).unwrap();
    // What overlayfs leaves: a folder that nobody may enter.
    fs::create_dir(own.join("work/work")).unwrap();
    fs::set_permissions(own.join("work/work"), Permissions::from_mode(0o000)).unwrap();
    for _ in 0..2 {
        pool.destroy(vmid(100)).unwrap();
    }
    assert!(!pool.exists(vmid(100)).unwrap() && pool.exists(vmid(101)).unwrap());
    assert_eq!(pool.list().unwrap(), [vmid(101)]);
    assert_eq!(count(&data.join("trash")), 0);
    assert!(dir.path().join("precious").exists());
}

#[test]
fn a_layer_is_measured_without_following_links() {
    let (_dir, data, pool) = pool();
    let own = pool.create(vmid(100)).unwrap();
    fs::create_dir(data.join("containers/lost+found")).unwrap();
    let file = File::create(own.join("upper/file")).unwrap();
    std::io::Write::write_all(&mut &file, &vec![1; 1 << 20]).unwrap();
    // Blocks are given out late; before that the size on disk is not known.
    file.sync_all().unwrap();
    symlink("/usr", own.join("upper/usr")).unwrap();
    let used = pool.usage(vmid(100)).unwrap();
    assert!((Bytes::mib(1)..Bytes::mib(2)).contains(&used), "{used}");
    assert!(pool.usage(vmid(101)).is_err());
    assert!(pool.free_bytes() > Bytes(0));
    assert_eq!(pool.list().unwrap(), [vmid(100)]);
}

#[test]
fn what_a_crash_left_is_deleted_at_the_next_start_and_nothing_else() {
    let (dir, data, pool) = pool();
    pool.create(vmid(100)).unwrap();
    fs::create_dir_all(data.join("trash/101.7/rw/upper/etc")).unwrap();
    symlink(dir.path(), data.join("trash/101.7/rw/upper/out")).unwrap();
    fs::create_dir_all(data.join("trash/102.new.3/rw")).unwrap();
    pool.empty_trash().unwrap();
    assert_eq!(count(&data.join("trash")), 0);
    assert_eq!(pool.list().unwrap(), [vmid(100)]);
}

#[test]
fn what_resists_in_the_trash_is_no_hindrance() {
    let (_dir, data, pool) = pool();
    // Names that a former process has used, and that this one would use next.
    for n in 0..200 {
        fs::create_dir_all(data.join(format!("trash/100.new.{n}"))).unwrap();
        fs::create_dir_all(data.join(format!("trash/100.{n}"))).unwrap();
    }
    pool.create(vmid(100)).unwrap();
    pool.destroy(vmid(100)).unwrap();
    assert_eq!(count(&data.join("trash")), 400);
}

#[test]
fn many_are_made_and_destroyed_at_the_same_time() {
    let (_dir, data, pool) = pool();
    std::thread::scope(|scope| {
        for n in 100..108 {
            let pool = &pool;
            scope.spawn(move || {
                for _ in 0..5 {
                    fs::write(pool.create(vmid(n)).unwrap().join("upper/file"), "x").unwrap();
                    pool.destroy(vmid(n)).unwrap();
                }
            });
        }
    });
    assert_eq!((count(&data.join("trash")), count(&data.join("containers"))), (0, 0));
}
