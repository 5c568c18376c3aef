<?php
// Makes the site with its first user. A site that is there, from the template of a container, gets title and user.
define('WP_INSTALLING', true);
$_SERVER += ['HTTP_HOST' => 'localhost', 'REQUEST_URI' => '/', 'REQUEST_METHOD' => 'GET',
    'SERVER_PROTOCOL' => 'HTTP/1.1', 'SERVER_NAME' => 'localhost', 'REMOTE_ADDR' => '127.0.0.1'];
require '/usr/share/wordpress/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';

// Nobody is told by mail: the password stands on the access card.
add_filter('pre_wp_mail', '__return_false');
if (is_blog_installed()) {
    update_option('blogname', getenv('PARAM_SITE_TITLE'));
    update_option('admin_email', getenv('PARAM_ADMIN_EMAIL'));
    $known = get_user_by('login', getenv('PARAM_ADMIN_USER')) ?: get_user_by('email', getenv('PARAM_ADMIN_EMAIL'));
    $user = ['user_login' => getenv('PARAM_ADMIN_USER'), 'user_pass' => getenv('PARAM_ADMIN_PASSWORD'),
        'user_email' => getenv('PARAM_ADMIN_EMAIL'), 'role' => 'administrator'];
    $done = $known ? wp_update_user(['ID' => $known->ID] + $user) : wp_insert_user($user);
    if (is_wp_error($done)) {
        fwrite(STDERR, $done->get_error_message() . "\n");
        exit(1);
    }
    exit(0);
}
$site = wp_install(getenv('PARAM_SITE_TITLE'), getenv('PARAM_ADMIN_USER'), getenv('PARAM_ADMIN_EMAIL'), true, '',
    wp_slash(getenv('PARAM_ADMIN_PASSWORD')));
if (empty($site['user_id'])) {
    fwrite(STDERR, "WordPress was not installed\n");
    exit(1);
}
update_option('permalink_structure', '/%postname%/');
