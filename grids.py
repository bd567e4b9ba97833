import torch, numpy as np, sys
from PIL import Image
from huabi.pictures import grid, to_image
res=torch.load(f"/tmp/al/{sys.argv[1]}.pt")
ims=[]
for k,(r,x,f) in res.items():
    ims.append(grid([to_image(p) for p in x[:32]],16))
w=max(i.width for i in ims); g=Image.new("RGB",(w,sum(i.height+6 for i in ims)),"red"); y=0
for i in ims: g.paste(i,(0,y)); y+=i.height+6
g=g.resize((g.width*2,g.height*2),0); g.save(f"/tmp/al/{sys.argv[1]}.png"); print(list(res))
