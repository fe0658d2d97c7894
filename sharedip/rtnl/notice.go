package rtnl

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// NoticeGroups is the netlink groups that Run listens to.
const NoticeGroups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR

// Notice is one piece of news from the kernel.
type Notice struct {
	Kind    noticeKind
	Address Address // of addressCame and addressWent
}

type noticeKind int

const (
	LinkChanged noticeKind = iota
	AddressAdded
	AddressRemoved
	Overrun // news was lost
)

func Notices(messages []syscall.NetlinkMessage) (news []Notice) {
	for _, m := range messages {
		switch m.Header.Type {
		case unix.RTM_NEWLINK, unix.RTM_DELLINK:
			news = append(news, Notice{Kind: LinkChanged})
		case unix.RTM_NEWADDR:
			if a, ok := parseAddress(m.Data); ok {
				news = append(news, Notice{AddressAdded, a})
			}
		case unix.RTM_DELADDR:
			if a, ok := parseAddress(m.Data); ok {
				news = append(news, Notice{AddressRemoved, a})
			}
		}
	}
	return news
}
