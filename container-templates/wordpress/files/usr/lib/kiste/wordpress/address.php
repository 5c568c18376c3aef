<?php
// Writes the part of the configuration that says under which address the site is found: the one on standard input,
// or else whichever it is called by. A proxy that speaks TLS for it says so.
$url = rtrim(stream_get_contents(STDIN), '/');
echo "if ((\$_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https') { \$_SERVER['HTTPS'] = 'on'; }\n";
if ($url !== '') {
    echo '$kiste_url = ' . var_export($url, true) . ";\n";
} else {
    echo "\$kiste_url = (empty(\$_SERVER['HTTPS']) ? 'http://' : 'https://')\n";
    echo "    . preg_replace('/[^A-Za-z0-9.:\\[\\]-]/', '', \$_SERVER['HTTP_HOST'] ?? 'localhost');\n";
}
echo "define('WP_HOME', \$kiste_url);\n";
echo "define('WP_SITEURL', \$kiste_url);\n";
