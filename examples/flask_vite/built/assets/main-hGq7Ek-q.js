const t=document.querySelector("button");let e=0;t.addEventListener("click",()=>{e+=1,t.textContent=`clicked ${e} times`});
