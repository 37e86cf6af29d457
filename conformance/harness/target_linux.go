// Which kernel a runtime was tested on makes no difference on Linux.

package harness

func onSystem() string { return "" }
