# SPDX-License-Identifier: GPL-2.0
# fish: asks `colinux complete`, which knows the options and the guests; where it has nothing to say, a file.
function __colinux_complete
    set -l words (commandline -opc) (commandline -ct)
    colinux complete $words[2..] 2>/dev/null
end
complete -c colinux -n 'test -n "$(__colinux_complete)"' -f -a '(__colinux_complete)'
