<!doctype html>
<html lang="en">
<title>LAMP</title>
<p>Apache and PHP <?= htmlspecialchars(PHP_VERSION) ?> answer. This page is /var/www/html/index.php.</p>
</html>
