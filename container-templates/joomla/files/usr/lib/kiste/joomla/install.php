<?php
// Joomla's own setup takes what it needs from its command line, which everybody in the machine can read. Here it is put
// together inside, from the environment.
$given = fn (string $name): string => (string) getenv($name);
$options = [
    'site-name' => $given('PARAM_SITE_TITLE'),
    'admin-user' => $given('PARAM_ADMIN_USER'),
    'admin-username' => $given('PARAM_ADMIN_USER'),
    'admin-password' => $given('PARAM_ADMIN_PASSWORD'),
    'admin-email' => $given('PARAM_ADMIN_EMAIL'),
    'db-type' => 'mysqli',
    'db-host' => 'localhost',
    'db-user' => 'joomla',
    'db-pass' => $given('DB_PASSWORD'),
    'db-name' => 'joomla',
    'db-prefix' => 'j' . bin2hex(random_bytes(2)) . '_',
    'db-encryption' => '0',
];
$_SERVER['argv'] = ['joomla.php', 'install'];
foreach ($options as $name => $value) {
    $_SERVER['argv'][] = "--$name=$value";
}
$GLOBALS['argv'] = $argv = $_SERVER['argv'];
$_SERVER['argc'] = $argc = count($argv);
chdir('/var/www/joomla');
require '/var/www/joomla/installation/joomla.php';
