// Package pgm holds package vipd/pgm against OpenPGM, the implementation in
// C: on one LAN, both ways, and with a dissector looking on. peer/openpgm.c is a
// program of our own on OpenPGM's public API.
//
// It holds tests alone. They need root or a user namespace, gcc, libpgm-dev
// and tshark, and skip with the reason where one is missing;
// VIPD_TEST_REQUIRE=openpgm makes that a failure.
//
//	 .--------.    .--------.    .--------.    .--------.
//	 | source |    | recv-a |    | recv-b |    | other  |   Go or OpenPGM each
//	 '---+----'    '---+----'    '---+----'    '---+----'
//	-----+-------------+-------------+-------------+----- switch, loses at its ports
package pgm
