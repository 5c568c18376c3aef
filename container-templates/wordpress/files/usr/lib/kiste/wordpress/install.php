<?php
// Makes the site with its first user; a site that is there is left alone.
define('WP_INSTALLING', true);
$_SERVER += ['HTTP_HOST' => 'localhost', 'REQUEST_URI' => '/', 'REQUEST_METHOD' => 'GET',
    'SERVER_PROTOCOL' => 'HTTP/1.1', 'SERVER_NAME' => 'localhost', 'REMOTE_ADDR' => '127.0.0.1'];
require '/usr/share/wordpress/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';

if (is_blog_installed()) {
    exit(0);
}
// Nobody is told by mail: the password stands on the access card.
add_filter('pre_wp_mail', '__return_false');
$site = wp_install(getenv('PARAM_SITE_TITLE'), getenv('PARAM_ADMIN_USER'), getenv('PARAM_ADMIN_EMAIL'), true, '',
    wp_slash(getenv('PARAM_ADMIN_PASSWORD')));
if (empty($site['user_id'])) {
    fwrite(STDERR, "WordPress was not installed\n");
    exit(1);
}
update_option('permalink_structure', '/%postname%/');
