//! The key that seals what is remembered of applications: a file of its own, so that a copy of the database
//! gives no password away.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use auth::{Vault, vault::KEY_BYTES};

/// Reads the key, or makes it at the first start.
pub(crate) fn open(data_dir: &Path) -> io::Result<Vault> {
    let path = data_dir.join("secret.key");
    let mut key = [0; KEY_BYTES];
    match File::open(&path) {
        Ok(mut file) => file.read_exact(&mut key)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            key = auth::random::bytes().map_err(io::Error::other)?;
            let new = data_dir.join("secret.key.new");
            let _ = fs::remove_file(&new);
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(&key)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(data_dir)?.sync_all()?;
        }
        Err(e) => return Err(e),
    }
    Ok(Vault::new(&key))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_private() {
        let dir = std::env::temp_dir().join(format!("kiste-vault-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let sealed = open(&dir).unwrap().seal("a", "b").unwrap();
        assert_eq!(open(&dir).unwrap().open("a", &sealed).unwrap().as_str(), "b");
        let mode = fs::metadata(dir.join("secret.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_dir_all(&dir).unwrap();
    }
}
