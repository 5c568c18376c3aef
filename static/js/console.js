// Stand-in until the scripts of the pages are here.
export {};
