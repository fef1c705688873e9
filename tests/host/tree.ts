/** A tree with everything that a file can be. */
export const tree = `
set -e
useradd --create-home alice; chmod 700 /home/alice; useradd --create-home bob
mkdir -p /srv/tree && cd /srv/tree
install -o alice -g bob -m 0600 /dev/stdin private <<< 'only alice'
install -d -o bob -m 0700 closed && install -o bob -m 0400 /dev/stdin closed/within <<< 'only bob'
echo acl > acl && setfacl -m u:alice:rw,g:bob:r acl && mkdir acl.d && setfacl -d -m u:bob:rwx acl.d
echo xattr > xattr && setfattr -n user.note -v 'a note' xattr && chown alice xattr && chmod 600 xattr
cp /bin/true capable && setcap cap_net_raw+ep capable
cp /bin/true setuid && chmod 4755 setuid
echo one > one && ln one two && mkdir sub && ln one sub/three
truncate -s 64M sparse && echo end >> sparse && printf data | dd of=sparse conv=notrunc bs=1 seek=33554432 status=none
ln -s private link && ln -s /nowhere broken && chown -h alice link
mkfifo fifo && chmod 640 fifo && chown bob fifo
touch -- $'with\\nnewline' 'with:colon' "with'quote" 'with"quotes' $'invalid\\xff\\xfeutf8' ' leading' '-dash' '*glob?[x]' $'tab\\there'
echo old > old && touch -d '1999-12-31 23:59:59.123456789 UTC' old
mkdir empty && touch -d '2001-01-01 UTC' empty
`;

/** Everything about a tree that a restore has to give back, a line a file. */
export const describeTree = (top: string): string => `
cd ${top}
find . -print0 | sort -z | while IFS= read -r -d '' f; do
  printf '%q %s ' "$f" "$(stat -c '%F %a %U %G %h %t:%T %Y %y' -- "$f")"
  [ -L "$f" ] && readlink -- "$f" | tr '\\n' ' '
  [ -f "$f" ] && [ ! -L "$f" ] && sha256sum < "$f" | tr -d '\\n'
  echo
done
find . ! -type l -print0 | sort -z | xargs -0 getfacl -p -n
find . -print0 | sort -z | xargs -0 getfattr -h -d -m - --
stat -c '%i' one two sub/three | sort -u | wc -l
[ "$(stat -c %b sparse)" -lt 65536 ] && echo sparse
`;
